"""A Grafana that someone runs: what we ask of it, and what its refusals mean for the person who pushes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

OLDEST: Final = (9, 0)
TIMEOUT_S: Final = 30.0


class GrafanaFault(Exception):  # noqa: N818 - whose fault it is says it best
    """Grafana could not be asked, or refused; the message says what and what to do."""


class Grafana:
    """One Grafana, reached with the token of a service account; opened only where it is one we can serve."""

    def __init__(self, url: str, token: str) -> None:
        """GrafanaFault where it cannot be reached, is no Grafana, or is older than 9."""
        from grafana_client import GrafanaApi  # type: ignore[import-untyped] # noqa: PLC0415 - only where one is set

        self.url = url.rstrip("/")
        self.api: Any = GrafanaApi.from_url(f"{self.url}/", credential=token, timeout=TIMEOUT_S)
        health = self.ask("its version", self.api.health.check)
        if not isinstance(health, dict):
            raise GrafanaFault(f"what answers at {self.url} is not Grafana; check the address")
        self.version = str(health.get("version", ""))
        if self.release() is not None and self.release() < OLDEST:  # type: ignore[operator] # a release, by the line
            raise GrafanaFault(
                f"Grafana {self.version} at {self.url} is too old: the dashboards need 9 or newer; update it"
            )

    def release(self) -> tuple[int, int] | None:
        """Its major and minor version; None where it does not say, as administrators can have it."""
        numbers = self.version.split(".")[:2]
        return (int(numbers[0]), int(numbers[1])) if len(numbers) == 2 and all(map(str.isdigit, numbers)) else None

    def ask(self, what: str, call: Callable[[], Result]) -> Result:
        """The answer to a call; GrafanaFault with a remedy where there is none. `what` completes "may not …"."""
        found = self.look(what, call)
        if found is None:
            raise GrafanaFault(
                f"Grafana does not know {what}; check that {self.url} leads to the root of Grafana's pages"
            )
        return found

    def look(self, what: str, call: Callable[[], Result]) -> Result | None:
        """The answer to a call, or None where what is asked for is not there."""
        from grafana_client.client import GrafanaClientError, GrafanaException  # type: ignore[import-untyped] # noqa: PLC0415

        try:
            return call()
        except GrafanaClientError as error:
            if error.status_code == 404:
                return None
            raise GrafanaFault(self._refused(what, error.status_code, str(error.message), error.response)) from error
        except GrafanaException as error:
            raise GrafanaFault(f"Grafana fails at {what}: {error.message}; look into its log") from error
        except json.JSONDecodeError as error:
            raise GrafanaFault(f"what answers at {self.url} is not Grafana; check the address") from error
        except OSError as error:  # all of requests' own, too
            raise GrafanaFault(
                f"Grafana cannot be reached at {self.url}: {_short(error)}; check address and network"
            ) from error

    def source_fault(self, uid: str) -> str | None:
        """Why Grafana cannot read from a data source, in its own words; None where it can."""
        from grafana_client.client import GrafanaBadInputError  # noqa: PLC0415

        try:
            found = self.look("the data source", lambda: self._health(uid, GrafanaBadInputError)) or {}
        except GrafanaFault as error:
            return str(error)
        return None if found.get("status") == "OK" else str(found.get("message") or "it does not say why")

    def _health(self, uid: str, unwell: type[Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self.api.datasource.health(uid)
        except unwell as error:  # Grafana says so by refusing the question
            return error.response if isinstance(error.response, dict) else {"message": str(error.response)}
        return answer

    def _refused(self, what: str, status: int, message: str, response: Any) -> str:
        said = response.get("message", message) if isinstance(response, dict) else message
        if status == 401:
            return (
                f"Grafana at {self.url} does not accept the token; make one under Administration, Service accounts, "
                "and put it into grafana.token_file"
            )
        if status == 403:
            return (
                f"the token may not touch {what}: {said}; give its service account the role Admin of the organization"
            )
        if status in (409, 412):
            return (
                f"Grafana keeps {what} as it is: {said}; something of the same name that is not ours stands in its "
                "place, or someone saved it just now: rename the other, or push again"
            )
        return f"Grafana refuses {what} ({status}): {said}; if it is newer than this Fairmeter, update Fairmeter"


def read_token(path: Path) -> str:
    """The token in a file; GrafanaFault where there is none."""
    try:
        token = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise GrafanaFault(f"{path} cannot be read: {error}; put the token of a service account into it") from error
    if not token or not token.isascii() or not token.isprintable():
        raise GrafanaFault(f"{path} holds no token; put the token of a service account into it")
    return token


def _short(error: OSError) -> str:
    """The innermost reason; requests wraps it three times."""
    reason: Any = error
    while True:
        inner = getattr(reason, "reason", None) or next(
            (each for each in reason.args if isinstance(each, Exception)), None
        )
        if inner is None or inner is reason:
            return str(reason)
        if isinstance(inner, str):
            return inner
        reason = inner
