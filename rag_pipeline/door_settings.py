"""The settings of the door (`rag serve`): part of `settings.Settings`, in a file of their own."""

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings

_ALGORITHM = r"((RS|PS|ES)(256|384|512)|EdDSA)"
"""Signatures of tokens that a public key checks."""


class DoorSettings(BaseSettings):
    """Who may ask a replica, how often, and for how long."""

    serve_hosts: str = Field(
        default="", description="Names of a replica beside localhost, separated by commas: `rag.example.com`."
    )
    serve_rate: str = Field(default="1200/minute", description="Requests that one principal may make of a replica.")
    serve_rate_total: str = Field(default="12000/minute", description="Requests that a replica takes of all together.")
    serve_at_once: int = Field(
        default=0, ge=0, le=256, description="Questions in progress at once; 0 means eight for each core."
    )
    serve_at_once_each: int = Field(
        default=8, ge=1, le=1024, description="Questions of one principal that are in progress or wait at once."
    )
    serve_queue: int = Field(default=4, ge=0, le=10_000, description="Questions that wait at most; more are refused.")
    serve_timeout_ms: int = Field(
        default=2000, ge=10, le=30_000, description="Milliseconds an answer may take, where the question does not say."
    )
    serve_answers: str = Field(
        default="", description="File of language models and their budget: `serving/answers.yaml`; none if empty."
    )
    serve_issuer: str = Field(default="", description="Identity provider whose tokens (JWT) are taken beside keys.")
    serve_audience: str = Field(default="", description="What such a token must be for: the `aud` it has to name.")
    serve_jwks: str = Field(default="", description="URL of the identity provider's public keys (JWKS).")
    serve_algorithms: str = Field(
        default="RS256,ES256", description="Algorithms such a token may be signed by; asymmetric ones only."
    )
    serve_claim: str = Field(
        default="scope", description="Claim of such a token that holds permissions: `search`, `mode`, `read:all`."
    )

    query_text: Literal["off", "hmac", "masked"] = Field(
        default="off",
        description="What is kept of questions: nothing, what tells repeats (`hmac`), or the text, `masked`.",
    )
    query_days: int = Field(default=90, ge=1, le=3650, description="Days after which a kept question loses its text.")
    traffic_cron: str = Field(default="*/30 * * * *", description="When the log of questions is put into its tables.")

    @field_validator("serve_rate", "serve_rate_total")
    @classmethod
    def _a_rate(cls, rate: str) -> str:
        if not re.fullmatch(r"[1-9]\d{0,8}/(second|minute|hour)", rate):
            raise ValueError("a rate is a number and what it is for, such as 20/second, 600/minute or 9000/hour")
        return rate

    @field_validator("serve_algorithms")
    @classmethod
    def _asymmetric(cls, names: str) -> str:
        if not re.fullmatch(rf"{_ALGORITHM}(,{_ALGORITHM})*", names):
            raise ValueError(
                "name algorithms with a public key, separated by commas: RS256, PS256, ES256 (or 384, 512), EdDSA. One with "
                "a shared secret (HS256) would let whoever checks tokens make them"
            )
        return names

    @model_validator(mode="after")
    def _tokens_are_wholly_checked(self) -> Self:
        said = {
            "RAG_SERVE_ISSUER": self.serve_issuer,
            "RAG_SERVE_AUDIENCE": self.serve_audience,
            "RAG_SERVE_JWKS": self.serve_jwks,
        }
        if missing := [name for name, value in said.items() if not value]:
            if len(missing) < len(said):
                raise ValueError(
                    f"{' and '.join(missing)} must be set too, or none of {', '.join(said)}: a token is checked by all"
                )
        elif not re.match(r"https://|http://(localhost|127\.0\.0\.1|\[::1\])[:/]", self.serve_jwks):
            raise ValueError(
                f"RAG_SERVE_JWKS={self.serve_jwks!r}: name an address that begins with https://, since whoever could change "
                "what is read there could make tokens"
            )
        return self
