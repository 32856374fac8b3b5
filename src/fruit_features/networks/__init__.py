"""What networks are: backbones with their weights, the engines that run them, and the fingerprint that names each."""
