"""Keys of providers: from the environment, else from the system's keyring; never from a store, and never shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

from pydantic import SecretStr

from stretto.core.errors import DefinitionError

SERVICE = "stretto"
"""Under which name keys lie in the system's keyring."""
VARIABLES: dict[str, tuple[str, ...]] = {
    "alibaba": ("ALIBABA_API_KEY", "DASHSCOPE_API_KEY"),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "azure": ("AZURE_OPENAI_API_KEY",),
    "azure-responses": ("AZURE_OPENAI_API_KEY",),
    "cerebras": ("CEREBRAS_API_KEY",),
    "cohere": ("CO_API_KEY",),
    "crusoe": ("CRUSOE_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "fireworks": ("FIREWORKS_API_KEY",),
    "github": ("GITHUB_API_KEY",),
    "google": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "groq": ("GROQ_API_KEY",),
    "heroku": ("HEROKU_INFERENCE_KEY",),
    "huggingface": ("HF_TOKEN",),
    "meta": ("META_API_KEY",),
    "mistral": ("MISTRAL_API_KEY",),
    "moonshotai": ("MOONSHOTAI_API_KEY",),
    "nebius": ("NEBIUS_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "openai-chat": ("OPENAI_API_KEY",),
    "openai-responses": ("OPENAI_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "ovhcloud": ("OVHCLOUD_API_KEY",),
    "sambanova": ("SAMBANOVA_API_KEY",),
    "together": ("TOGETHER_API_KEY",),
    "vercel": ("VERCEL_AI_GATEWAY_API_KEY", "VERCEL_OIDC_TOKEN"),
    "voyageai": ("VOYAGE_API_KEY",),
    "xai": ("XAI_API_KEY",),
    "zai": ("ZAI_API_KEY",),
}
"""Where providers that need a key look for it; the others have no key, or ways of their own (as Amazon's)."""
Place = Literal["environment", "keyring"]


class MissingKey(DefinitionError):
    """A provider needs a key, and there is none."""

    def __init__(self, provider: str, variable: str) -> None:
        super().__init__(
            f"there is no key for {provider!r}: set {variable} in the environment, "
            f"or keep it in the system's keyring with `stretto models key {provider}`"
        )
        self.provider, self.variable = provider, variable


class NoKeyring(DefinitionError):
    """This system has no keyring that can be used."""

    def __init__(self, why: str) -> None:
        super().__init__(f"this system has no keyring that can be used ({why}); set the key in the environment instead")
        self.why = why


def variables(provider: str) -> tuple[str, ...]:
    """Returns the environment variables in which a provider's key is looked for, the first that is set counts."""
    return VARIABLES.get(provider) or (f"{provider.upper().replace('-', '_')}_API_KEY",)


class Keys:
    """Finds the keys of providers; ``environment`` stands for the process's own where it is given."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = environment

    def variable(self, name: str) -> str:
        """Returns a variable of the environment, empty when it is not set."""
        return (os.environ if self._environment is None else self._environment).get(name, "").strip()

    def get(self, provider: str, names: tuple[str, ...] = ()) -> SecretStr | None:
        """Returns a provider's key, or None; ``names`` are the variables to look into instead of the usual ones.

        Raises ``DefinitionError`` for a key that no request could carry.
        """
        for name in names or variables(provider):
            if found := self.variable(name):
                return _checked(found, f"the variable {name}")
        kept = _kept(provider)
        return _checked(kept, f"the keyring's entry for {provider!r}") if kept else None

    def where(self, provider: str, names: tuple[str, ...] = ()) -> Place | None:
        """Returns where a provider's key lies, or None when there is none."""
        if any(self.variable(name) for name in names or variables(provider)):
            return "environment"
        return "keyring" if _kept(provider) else None


def _checked(key: str, where: str) -> SecretStr:
    """Returns a key that a header can hold; what is wrong with another one is said without showing it."""
    if not (key.isascii() and key.isprintable()):
        raise DefinitionError(f"{where} holds characters that no key has (beyond ASCII, or invisible); set it again")
    return SecretStr(key)


def set_key(provider: str, key: SecretStr) -> None:
    """Keeps a provider's key in the system's keyring; raises ``NoKeyring`` when there is none."""
    import keyring

    value = key.get_secret_value().strip()
    if not value:
        raise DefinitionError(f"the key for {provider!r} is empty")
    _checked(value, f"the key for {provider!r}")
    try:
        keyring.set_password(SERVICE, provider, value)
    except Exception as error:  # noqa: BLE001  # backends raise what they like, and their words may hold the key
        raise NoKeyring(type(error).__name__) from None


def delete_key(provider: str) -> bool:
    """Takes a provider's key out of the system's keyring; says whether there was one; raises ``NoKeyring``."""
    import keyring
    from keyring.errors import PasswordDeleteError

    try:
        keyring.delete_password(SERVICE, provider)
    except PasswordDeleteError:
        return False
    except Exception as error:  # noqa: BLE001  # backends raise what they like
        raise NoKeyring(type(error).__name__) from None
    return True


def _kept(provider: str) -> str | None:
    """Returns what the keyring holds; a system without one holds nothing."""
    import keyring

    try:
        return keyring.get_password(SERVICE, provider)
    except Exception:  # noqa: BLE001  # backends raise what they like: one that cannot be asked holds nothing
        return None
