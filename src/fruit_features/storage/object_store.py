"""Calls to S3, and checks of a bucket before a run: what is wrong with it is reported with the fix."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

PROTOCOLS = ("s3a://", "s3://")

_WRONG_CREDENTIALS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "InvalidClientTokenId"}
_DENIED = {"AccessDenied", "AllAccessDisabled", "403"}
_NO_BUCKET = {"NoSuchBucket", "404"}
_CREDENTIALS_HINT = (
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile (AWS_PROFILE), or the role of the machine. "
    "`aws sts get-caller-identity` tells whose are used"
)


REPLACEMENT_CHARACTER = "\ufffd"
"""What stands in a listing of S3 for characters that XML cannot carry."""


_N_FOLDERS_AT_ONCE = 16
"""Folders that are listed at the same time; each request waits for S3 most of its time."""


class ObjectStoreError(RuntimeError):
    """A place in an object store that a run cannot use; the message names it, says why, and what to do."""


def check_readable(root: str) -> None:
    """List the first objects under a root and read a byte of one.

    Args:
        root: As the user wrote it, `s3a://bucket/prefix`.

    Raises:
        ObjectStoreError: That is not possible, or nothing is there.

    """
    bucket, prefix = split(root)

    def read() -> None:
        found = call("list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=100).get("Contents", [])
        if not found:
            raise ObjectStoreError(
                f"images_root={root}: there is nothing under this prefix. Upload photos to it, in a folder per label, or name "
                "another: --params images_root=s3a://BUCKET/PREFIX"
            )
        # By a name with characters that the listing could not carry, no object would be found.
        key = next((item["Key"] for item in found if item["Size"] and REPLACEMENT_CHARACTER not in item["Key"]), None)
        if key is not None:
            call("get_object", Bucket=bucket, Key=key, Range="bytes=0-0")

    explain(f"images_root={root}", "read", "s3:ListBucket and s3:GetObject", read)


def check_writable(root: str) -> None:
    """Write an empty object under a root, and delete it.

    Args:
        root: As the user wrote it, `s3a://bucket/prefix`.

    Raises:
        ObjectStoreError: That is not possible.

    """
    bucket, prefix = split(root)
    key = f"{prefix}_write_check/{uuid.uuid4().hex}"  # Spark and Hadoop leave out what begins with an underscore

    def write() -> None:
        call("put_object", Bucket=bucket, Key=key, Body=b"")
        call("delete_object", Bucket=bucket, Key=key)

    explain(f"output_root={root}", "write", "s3:PutObject and s3:DeleteObject", write)


def split(root: str) -> tuple[str, str]:
    """Split `s3a://bucket/prefix` into the bucket and the prefix, which ends in a slash unless it is empty."""
    bucket, _, prefix = root.split("://", 1)[1].partition("/")
    return bucket, prefix.strip("/") + "/" if prefix.strip("/") else ""


def split_object(uri: str) -> tuple[str, str]:
    """Split `s3a://bucket/key` into the bucket and the key."""
    bucket, _, key = uri.split("://", 1)[1].partition("/")
    return bucket, key


class ListedObject(NamedTuple):
    """An object as a listing of S3 knows it.

    Attributes:
        key: Its key.
        length: Bytes.
        modified: When it was written. A listing may tell fractions of a second, which S3's other answers do not.
        is_known: Whether `key` is its key. If not, S3's answer, which is XML, could not carry some character of it.

    """

    key: str
    length: int
    modified: datetime
    is_known: bool


class DescribedObject(NamedTuple):
    """What tells an object of S3 from another one that takes its place.

    Attributes:
        key: Its key.
        length: Bytes.
        etag: Its entity tag, which depends on the content.
        modified: When it was written.

    """

    key: str
    length: int
    etag: str
    modified: datetime


def describe_objects(place: str) -> Iterator[DescribedObject]:
    """Describe all objects whose keys begin with that of a place, a thousand a request.

    Args:
        place: `s3a://bucket/key`.

    Raises:
        OSError: S3 refuses, or does not answer.

    """
    for page in _list_pages(*split_object(place)):
        for item in page.get("Contents", []):
            yield DescribedObject(item["Key"], item["Size"], item["ETag"], item["LastModified"])


def list_objects(root: str) -> Iterator[ListedObject]:
    """List all objects under a root: a thousand a request, and the folders right below the root at the same time.

    Args:
        root: `s3a://bucket/prefix`.

    Raises:
        OSError: S3 refuses, or does not answer.

    """
    bucket, prefix = split(root)
    pages = list(_list_pages(bucket, prefix, Delimiter="/"))
    folders = [folder["Prefix"] for page in pages for folder in page.get("CommonPrefixes", [])]
    if any(REPLACEMENT_CHARACTER in folder for folder in folders):  # by such a name nothing would be found
        folders, pages = [prefix], []
    with ThreadPoolExecutor(_N_FOLDERS_AT_ONCE, "list objects") as threads:
        below = threads.map(lambda folder: list(_list_pages(bucket, folder)), folders)
        for page in chain(pages, chain.from_iterable(below)):
            for item in page.get("Contents", []):
                key = item["Key"]
                yield ListedObject(key, item["Size"], item["LastModified"], _can_be_named(bucket, key))


def _list_pages(bucket: str, prefix: str, **options: str) -> Iterator[dict[str, Any]]:
    where: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, **options}
    while True:
        page: dict[str, Any] = call("list_objects_v2", **where)
        yield page
        if not page.get("IsTruncated"):
            return
        where["ContinuationToken"] = page["NextContinuationToken"]


def _can_be_named(bucket: str, key: str) -> bool:
    """Whether there is an object of this key: a replacement character in it may stand for another one, or for itself."""
    if REPLACEMENT_CHARACTER not in key:
        return True
    try:
        call("head_object", Bucket=bucket, Key=key)
    except FileNotFoundError:
        return False
    return True


def call(method: str, **arguments: Any) -> Any:
    """Call S3 through the file system that Kedro's datasets use, so that endpoint and credentials are theirs."""
    import fsspec

    return fsspec.filesystem("s3").call_s3(method, **arguments)


def read(bucket: str, key: str) -> tuple[dict[str, Any], bytes]:
    """Read an object.

    Returns:
        What S3 answers (`ETag`, `LastModified` and so on), and the content to which that applies.

    Raises:
        FileNotFoundError: There is no such object.

    """
    import fsspec

    answer = call("get_object", Bucket=bucket, Key=key)
    return answer, fsspec.asyn.sync(fsspec.filesystem("s3").loop, answer["Body"].read)


def error_code(error: OSError) -> str | None:
    """Tell what S3 answered to a call that failed, such as `PreconditionFailed`; None if it did not answer."""
    from botocore.exceptions import ClientError

    cause = error.__cause__
    return str(cause.response["Error"].get("Code")) if isinstance(cause, ClientError) else None


def explain(place: str, deed: str, rights: str, attempt: Callable[[], None]) -> None:
    """Do something in a place, and say in the user's words why it failed.

    Args:
        place: The parameter and its value, `output_root=s3a://bucket/prefix`.
        deed: What is attempted there, "read" or "write".
        rights: Which permissions that takes.
        attempt: Does it.

    Raises:
        ObjectStoreError: It failed, for a reason that has to do with S3.

    """
    from botocore.exceptions import EndpointConnectionError, HTTPClientError, NoCredentialsError, ParamValidationError

    try:
        attempt()
    except NoCredentialsError:
        raise ObjectStoreError(f"{place}: there are no AWS credentials. Give {_CREDENTIALS_HINT}") from None
    except ParamValidationError:  # before anything is asked
        raise ObjectStoreError(
            f"{place}: no bucket can be called that. Names of buckets consist of small letters, digits, dots and hyphens. "
            "Correct the name"
        ) from None
    except (EndpointConnectionError, HTTPClientError) as error:
        raise ObjectStoreError(f"{place}: {error}. Check AWS_ENDPOINT_URL_S3, AWS_REGION and the network") from error
    except OSError as error:
        code = error_code(error)
        if code is None:
            raise ObjectStoreError(f"{place}: {error}. Check AWS_ENDPOINT_URL_S3, AWS_REGION and the network") from error
        raise ObjectStoreError(f"{place}: {_reason(code, deed, rights, str(error))}") from error


def _reason(code: str, deed: str, rights: str, answer: str) -> str:
    if code in _NO_BUCKET:
        return (
            "there is no such bucket. Correct the name (FRUIT_FEATURES_S3_ROOT, or --params images_root=...,output_root=...), "
            "or create it: `aws s3 mb s3://BUCKET`"
        )
    if code in _WRONG_CREDENTIALS:
        return f"the credentials are refused ({code}). They are taken from {_CREDENTIALS_HINT}"
    if code in _DENIED:
        return (
            f"these credentials may not {deed} there ({code}). Grant their user or role {rights} for it, or use another place"
        )
    return f"S3 answers {code}: {answer}"
