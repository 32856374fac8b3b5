"""Calls to AWS as data, which can be shown without being made, and errors of AWS in a few lines.

Credentials, region and endpoints come from where every AWS tool takes them: the environment (AWS_PROFILE, AWS_ENDPOINT_URL and
others), the files in ~/.aws, or the role of the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError, ProfileNotFound

_SIGN_IN = "Sign in (`aws configure`, or `aws sso login`), or name a profile: export AWS_PROFILE=..."

_PERMISSIONS = "docs/emr.md, under Permissions, has the policy of the user who submits."

_FIXES = {
    "ResourceNotFoundException": "`aws emr-serverless list-applications` lists those of this account and region.",
    "InvalidRequestException": "`aws emr list-clusters --active` lists those of this account and region.",
    "NoSuchBucket": "`aws s3 mb` makes one; docs/emr.md begins with that.",
    "AccessDenied": _PERMISSIONS,
    "AccessDeniedException": _PERMISSIONS,
    "403": _PERMISSIONS,
    "ExpiredToken": _SIGN_IN,
    "ExpiredTokenException": _SIGN_IN,
    "InvalidAccessKeyId": _SIGN_IN,
    "InvalidClientTokenId": _SIGN_IN,
    "SignatureDoesNotMatch": _SIGN_IN,
    "UnrecognizedClientException": _SIGN_IN,
}
"""What to do about an error, by the code that the service gives it."""


class SubmitError(RuntimeError):
    """Says on one screen what is wrong, and what to do about it."""


@dataclass(frozen=True)
class Call:
    """A call that has not been made yet.

    Attributes:
        service: Name of the boto3 client.
        operation: Its method.
        parameters: The method's arguments; JSON can hold them.

    """

    service: str
    operation: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Location:
    """A bucket and a key, or the beginning of keys.

    Attributes:
        bucket: Name of the bucket.
        key: Without slashes at either end.

    """

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> Location:
        """Read `s3://bucket/key`; Spark's `s3a://` is the same place.

        Raises:
            SubmitError: It is neither.

        """
        scheme, separator, path = uri.partition("://")
        bucket, _, key = path.partition("/")
        if scheme not in {"s3", "s3a"} or not separator or not bucket:
            raise SubmitError(f"{uri!r} is no place on S3: that looks like s3://my-bucket/fruits")
        return cls(bucket, key.strip("/"))

    def __truediv__(self, name: str) -> Location:
        return Location(self.bucket, f"{self.key}/{name}" if self.key else name)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def spark_uri(self) -> str:
        """How `conf/emr` names it, for Spark and pandas alike."""
        return f"s3a://{self.bucket}/{self.key}"


class Aws:
    """Makes calls.

    Args:
        region: Where, or None for the one that the environment or ~/.aws names.

    Attributes:
        region: Where.

    Raises:
        SubmitError: No region is known, or no such profile.

    """

    def __init__(self, region: str | None) -> None:
        try:
            self._session = boto3.Session(region_name=region)
        except ProfileNotFound as error:
            raise SubmitError(f"{error}. {_SIGN_IN}") from error
        if self._session.region_name is None:
            raise SubmitError("no AWS region: say --region eu-west-1, or export AWS_REGION=eu-west-1 (or another)")
        self.region: str = self._session.region_name
        self._clients: dict[str, Any] = {}

    def make(self, call: Call, **extra: Any) -> dict[str, Any]:
        """Make a call.

        Args:
            call: Which.
            extra: Arguments that no JSON can hold, such as `Callback`.

        Raises:
            SubmitError: It failed.

        """
        try:
            return self._make(call, extra)
        except (BotoCoreError, ClientError, Boto3Error) as error:
            raise SubmitError(_explain(error)) from error

    def find(self, call: Call) -> dict[str, Any] | None:
        """Make a call that asks for something, which may be absent: then the answer is None.

        Raises:
            SubmitError: It failed.

        """
        try:
            return self._make(call, {})
        except ClientError as error:
            if error.response["Error"]["Code"] in {"404", "NoSuchKey"}:
                return None
            raise SubmitError(_explain(error)) from error
        except (BotoCoreError, Boto3Error) as error:
            raise SubmitError(_explain(error)) from error

    def _make(self, call: Call, extra: dict[str, Any]) -> dict[str, Any]:
        if call.service not in self._clients:
            self._clients[call.service] = self._session.client(call.service)
        response: dict[str, Any] = getattr(self._clients[call.service], call.operation)(**call.parameters, **extra)
        return response


def _explain(error: Exception) -> str:
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return f"no AWS credentials ({error}). {_SIGN_IN}"
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    return f"{str(error).rstrip('.')}. {_FIXES.get(code, '')}".rstrip()
