"""The names of NNI 2.x's Retiarii, for scripts written for it; all they do is call `nni.nas`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig

from .host.run.prepare import prepare_nni

__all__ = ['RetiariiExperiment', 'RetiariiExeConfig']

_ENGINES = ('base', 'py', 'oneshot')


def RetiariiExeConfig(training_service_platform: str = 'local',  # noqa: N802
                      **fields: Any) -> NasExperimentConfig:
    """Return the configuration of an experiment; its fields have kept their names.

    Parameters
    ----------
    training_service_platform
        Where trials run.
    **fields
        Of NNI's `NasExperimentConfig`.
    """
    return NasExperimentConfig('ts', 'simplified', training_service_platform, **fields)


class RetiariiExperiment(NasExperiment):
    """NNI's `NasExperiment` with the arguments and defaults of Retiarii.

    Parameters
    ----------
    base_model, evaluator, strategy
        As of `NasExperiment`; spaces of 2.x derive from NNI's `ModelSpace` now.
    applied_mutators
        None, or an empty list.

    Raises
    ------
    NotImplementedError
        If there are mutators.
    """

    config: Any

    def __init__(self, base_model: Any, evaluator: Any,
                 applied_mutators: Sequence[Any] | None = None, strategy: Any = None):
        if applied_mutators:
            raise NotImplementedError(
                f'Expected no applied_mutators, got {len(applied_mutators)}: NNI 3.0 mutates a '
                'model space by itself. Write the choices into the space (LayerChoice, ...).')
        prepare_nni()
        super().__init__(base_model, evaluator, strategy)

    def run(self, config: NasExperimentConfig | None = None, port: int = 8080,
            debug: bool = False) -> Any:
        """Run the experiment; engine and model format are those that the strategy needs.

        Raises
        ------
        ValueError
            If the configuration asks for an engine that NNI 3.0 has not.
        """
        if config is not None:
            if isinstance(config.execution_engine, str) and config.execution_engine not in _ENGINES:
                raise ValueError(f'Expected execution_engine to be one of {", ".join(_ENGINES)}, '
                                 f'got {config.execution_engine!r}.')
            config.execution_engine = self.config.execution_engine
            config.model_format = self.config.model_format
            self.config = config
        return super().run(port, debug=debug)

    def export_top_models(self, top_k: int = 1, optimize_mode: str = 'maximize', *,
                          formatter: Literal['code', 'dict', 'instance'] | None = 'dict'
                          ) -> list[Any]:
        """Return the best models; as dicts, unless said otherwise.

        Raises
        ------
        ValueError
            If `optimize_mode` is not that of the strategy, which decides what is best.
        """
        right = f'{getattr(self.strategy, "mode", "max")}imize'
        if optimize_mode != right:
            raise ValueError(f'Expected optimize_mode={right!r}, as of the strategy, got '
                             f"{optimize_mode!r}. Say mode='min' to the strategy to minimise.")
        return super().export_top_models(top_k, formatter=formatter)
