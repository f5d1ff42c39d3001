"""Where the pipeline's assets stand in a graph, and what surrounds each of their steps.

An asset's own file speaks of its key as it is without a prefix, and knows nothing of other people's assets, of locks or of
lineage. What it declares is put into place here, once, for all of them.
"""

import functools
import inspect
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import dagster as dg

from rag_pipeline.host import names
from rag_pipeline.settings import Settings

Heard = Callable[[Any], None]
"""What is called with each result of a step, as the step gave it."""

Surrounding = Callable[[dg.AssetExecutionContext, dg.AssetsDefinition], AbstractContextManager[Heard]]
"""Something that is entered before a step and left after it. The assets are as they were declared, without a prefix."""


@dataclass(frozen=True, slots=True)
class Placing:
    """How the assets of one pipeline are put into a graph. `ours`: their keys, as they were declared."""

    settings: Settings
    ours: Collection[dg.AssetKey]
    surroundings: tuple[Surrounding, ...] = ()

    def key(self, key: dg.AssetKey) -> dg.AssetKey:
        """Where one of our assets stands; the key of somebody else's stays as it is."""
        return dg.AssetKey(names.placed(self.settings, key.path)) if key in self.ours else key

    def spec(self, spec: dg.AssetSpec) -> dg.AssetSpec:
        deps = [dep if OUTSIDE in dep.metadata else dep._replace(asset_key=self.key(dep.asset_key)) for dep in spec.deps]
        group = self.settings.group_name or names.named(self.settings, str(spec.group_name))
        return spec.replace_attributes(key=self.key(spec.key), deps=deps, group_name=group)

    def check(self, spec: dg.AssetCheckSpec) -> dg.AssetCheckSpec:
        return spec.replace_key(dg.AssetCheckKey(self.key(spec.asset_key), spec.name))

    def result(self, result: Any) -> Any:
        """What a step gave, about the keys as Dagster has them."""
        if isinstance(result, dg.MaterializeResult):
            checks = [self.result(one) for one in result.check_results or ()]
            key = self.key(result.asset_key) if result.asset_key else None
            return result._replace(asset_key=key, check_results=checks)
        if isinstance(result, dg.AssetCheckResult) and result.asset_key:
            return result._replace(asset_key=self.key(result.asset_key))
        return result


OUTSIDE = "rag/outside"
"""Metadata of a dependency on an asset of somebody else, whose key may be like one of ours."""


def outside(key: dg.AssetKey) -> dg.AssetDep:
    """A dependency on an asset that is not the pipeline's."""
    return dg.AssetDep(key, metadata={OUTSIDE: True})


def place(assets: dg.AssetsDefinition, placing: Placing) -> dg.AssetsDefinition:
    """The same assets, in their place. They must be made by one decorated function, as all of ours are."""
    function = assets.op.compute_fn
    if not hasattr(function, "decorated_fn"):
        raise TypeError(f"{assets.op.name} is not made by a decorated function, so it cannot be put into place")
    make: dg.AssetsDefinition = dg.multi_asset(
        name=names.step_name(placing.settings, assets.op.name.split("__")),
        specs=[placing.spec(spec) for spec in assets.specs],
        check_specs=[placing.check(spec) for spec in assets.check_specs],
        description=assets.op.description,
        op_tags=assets.op.tags,
        pool=assets.op.pool,
        retry_policy=assets.op.retry_policy,
        can_subset=assets.can_subset,
    )(_surrounded(function.decorated_fn, assets, placing))
    return make


def _surrounded(function: Callable[..., Any], assets: dg.AssetsDefinition, placing: Placing) -> Callable[..., Any]:
    """The function of a step, inside all that surrounds it. Dagster reads its arguments from its signature."""
    arguments = list(inspect.signature(function).parameters.values())
    wants_context = bool(arguments) and arguments[0].name == "context"

    @functools.wraps(function)
    def step(context: dg.AssetExecutionContext, *args: Any, **kwargs: Any) -> Iterator[Any]:
        with ExitStack() as around:
            heard = [around.enter_context(one(context, assets)) for one in placing.surroundings]
            made = function(context, *args, **kwargs) if wants_context else function(*args, **kwargs)
            for result in made if inspect.isgenerator(made) else [made]:
                for hear in heard:
                    hear(result)
                yield placing.result(result)

    if not wants_context:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        arguments.insert(0, inspect.Parameter("context", kind, annotation=dg.AssetExecutionContext))
    step.__signature__ = inspect.Signature(arguments)  # type: ignore[attr-defined]
    step.__annotations__ = {one.name: one.annotation for one in arguments}
    return step
