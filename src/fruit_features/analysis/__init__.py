"""What is computed from features, by numpy and scikit-learn alone: components, how well labels are told apart, neighbours."""
