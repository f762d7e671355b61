"""One logged-in session per PKCS #11 token and process, and what happens when it is lost.

PKCS #11 has one login per token and application, whatever the number of sessions, and the binding initialises
libraries for one thread at a time: so all keys of a token share a link, and all calls into one library are made
one after the other under its lock. A session that was dropped is opened again once per signature, with one login.
After a PIN that the token called wrong nothing is tried again in this process until somebody loads a key anew:
tokens lock themselves after a few wrong PINs, and a retry loop would do that within seconds.
"""

from __future__ import annotations

import os
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any, Final

from vcred.errors import MissingExtraError, SigningError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vcred.keys.pkcs11_uri import Pkcs11Uri

__all__ = ["Link", "binding", "explained", "link_to"]

_WRONG_PIN: Final = ("PinIncorrect", "PinInvalid", "PinLenRange", "PinExpired", "PinLocked", "UserPinNotInitialized")
_TEXTS: Final = {
    "PinIncorrect": "the token says that the PIN is wrong",
    "PinInvalid": "the token says that the PIN is wrong",
    "PinLenRange": "the token says that the PIN has the wrong length",
    "PinExpired": "the PIN has expired",
    "PinLocked": "the PIN is locked after wrong tries",
    "UserPinNotInitialized": "the token has no user PIN yet",
    "TokenNotPresent": "the token is not there",
    "DeviceRemoved": "the token was removed",
    "SessionHandleInvalid": "the session was dropped",
    "SessionClosed": "the session was dropped",
    "UserNotLoggedIn": "the token is not logged in",
    "KeyHandleInvalid": "the key is gone",
    "ObjectHandleInvalid": "the key or the token is gone",
    "GeneralError": "the token or its library does not work",
    "DeviceError": "the token does not work",
    "FunctionFailed": "the token does not work",
    "MechanismInvalid": "the token does not make this kind of signature",
    "FunctionNotSupported": "the token does not make this kind of signature",
}

_modules: dict[str, Module] = {}
_modules_lock = Lock()


def binding() -> Any:
    """The package ``pkcs11`` of the extra ``hsm``. Raises ``MissingExtraError`` where it is not installed."""
    try:
        import pkcs11  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("hsm") from None
    return pkcs11


def explained(error: Exception) -> str:
    """What an error of the binding means, for an operator."""
    name = type(error).__name__
    return _TEXTS.get(name, f"the token refused ({name})")


class Module:
    """One PKCS #11 library in this process. Every call into it is made under ``lock``."""

    def __init__(self, path: str) -> None:
        self.lock = RLock()
        self.restarts = 0
        self._process = os.getpid()
        self.links: dict[tuple[str | None, ...], Link] = {}
        try:
            self._library = binding().lib(path)
        except binding().PKCS11Error as error:
            text = str(error) or type(error).__name__
            raise SigningError(f"the PKCS #11 library {path} cannot be used: {text}") from error

    def check_process(self) -> None:
        """Raises ``SigningError`` in a process forked from the one that loaded the library (PKCS #11 section 6.6.2)."""
        if os.getpid() != self._process:
            raise SigningError("this key was loaded before the process was forked: load keys in the process that signs")

    def restart(self) -> None:
        """Initialise the library anew: some see a token that is back only then. Every session of it ends."""
        self.restarts += 1
        try:
            self._library.finalize()
        except binding().PKCS11Error:
            pass  # it had nothing to finalise any more
        self._library.initialize()

    def tokens(self) -> Iterator[Any]:
        """Every token that answers."""
        for slot in self._library.get_slots(token_present=True):
            try:
                yield slot.get_token()
            except (binding().PKCS11Error, ValueError):
                continue  # a broken neighbour is no reason not to find ours


class Link:
    """The logged-in session to one token. Used under ``module.lock`` only."""

    def __init__(self, module: Module, uri: Pkcs11Uri) -> None:
        self.module = module
        self.generation = 0
        """Grows with every session: objects found in an older one are looked up again."""
        self._uri = uri
        self._session: Any = None
        self._restarts = 0
        self._refused = ""

    @property
    def is_open(self) -> bool:
        """Whether there is a session; it may have been dropped without our knowing."""
        return self._session is not None and self._restarts == self.module.restarts

    def session(self, pin: Callable[[], str]) -> Any:
        """The session, opened with one login when there is none.

        Raises ``SigningError`` when the token is not there, is locked or refuses the PIN.
        """
        if self.is_open:
            return self._session
        if self._refused:
            raise SigningError(f"{self._refused}; it is not tried again until the key is loaded anew")
        self._session = self._attach(_Once(pin))
        self._restarts = self.module.restarts
        self.generation += 1
        return self._session

    def drop(self) -> None:
        """Give the session up."""
        session, self._session = self._session, None
        if session is not None and self._restarts == self.module.restarts:
            try:
                session.close()
            except binding().PKCS11Error:
                pass  # it was dropped at the other end

    def forgive(self) -> None:
        """Try a PIN again, because somebody loads a key."""
        self._refused = ""

    def _attach(self, pin: _Once) -> Any:
        failure: Exception | None = None
        for restart in (False, True):
            try:
                if restart:
                    self.module.restart()
                token = self._find()
                if token is not None:
                    return self._login(token, pin)
            except binding().PKCS11Error as error:
                if type(error).__name__ in _WRONG_PIN:
                    self._refused = f"{self._uri}: {explained(error)}"
                    raise SigningError(self._refused) from error
                failure = error
        text = "there is no such token" if failure is None else explained(failure)
        raise SigningError(f"{self._uri}: {text}") from failure

    def _find(self) -> Any | None:
        found = [token for token in self.module.tokens() if _is(token, self._uri)]
        if len(found) > 1:
            raise SigningError(f"{self._uri}: {len(found)} tokens match: add serial=")
        return found[0] if found else None

    def _login(self, token: Any, pin: _Once) -> Any:
        flags = token.flags
        known = binding().TokenFlag
        if flags & known.USER_PIN_LOCKED:
            raise SigningError(f"{self._uri}: {_TEXTS['PinLocked']}")
        if flags & known.USER_PIN_FINAL_TRY:
            raise SigningError(f"{self._uri}: one wrong PIN more locks the token: log in once with its own tool first")
        try:
            return token.open(user_pin=pin())
        except binding().UserAlreadyLoggedIn:
            return token.open()  # by another part of this process, or by a session that was lost


class _Once:
    """Asks for a PIN when it is first needed, and once."""

    def __init__(self, ask: Callable[[], str]) -> None:
        self._ask = ask
        self._pin = ""

    def __call__(self) -> str:
        self._pin = self._pin or self._ask()
        if not self._pin:
            raise SigningError("an empty PIN is not tried")
        return self._pin


def _is(token: Any, uri: Pkcs11Uri) -> bool:
    wanted = (uri.token, uri.manufacturer, uri.model, uri.serial)
    has = (token.label, token.manufacturer_id, token.model, token.serial.decode("utf-8", "replace"))
    return all(one is None or one == other.rstrip(" \0") for one, other in zip(wanted, has, strict=True))


def link_to(uri: Pkcs11Uri) -> Link:
    """The link to the token that ``uri`` names, shared by its keys. Raises ``SigningError``, ``MissingExtraError``."""
    # One file has one module, however it is called: a library refuses to be initialised twice.
    file = os.path.realpath(uri.module_path)
    with _modules_lock:
        module = _modules.get(file)
        if module is None:
            module = _modules[file] = Module(uri.module_path)
    module.check_process()
    with module.lock:
        return module.links.setdefault((uri.token, uri.manufacturer, uri.model, uri.serial), Link(module, uri))
