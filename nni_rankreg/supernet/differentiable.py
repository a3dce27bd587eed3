"""Super-nets whose architecture is learned by gradients, in turns with the weights.

The super-net is always that of path sampling, so that landmarks, scores and exports are the same
code for all. A path has weight 1, so that the weights of GDAS are trained without any gate.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from nni.nas.evaluator.pytorch import LightningModule
from torch import Tensor

from ..host.network.mixture import Mixer
from ..typing import Sample
from .architecture import ArchitectureParameters, Drawn
from .hooks import overridden_hooks
from .module import SuperNetModule
from .quiet import quiet_loss
from .unrolled import unrolled_gradient, weight_steps

__all__ = ['DifferentiableModule', 'GDASModule', 'DARTSModule']

_DRAWN = 16  # architectures that tell how many a filter accepts


class DifferentiableModule(SuperNetModule):
    """Bi-level search: each step trains the architecture, then the weights.

    The gradient of the architecture is that of the loss on a batch of the held-out data, with
    regard to the logits only; the weights are trained as in `SuperNetModule`, regularisers
    included, by Lightning. Subclasses say what a super-net of given logits computes.

    Parameters
    ----------
    training_module
        Lightning module of the evaluator.
    architecture
        The logits.
    *args, **kwargs
        As of `SuperNetModule`.
    learning_rate, weight_decay
        Of the logits' Adam, whose betas are (0.5, 0.999).
    warmup_epochs
        First epochs, in which only the weights are trained.
    gradient_clip_val
        Of the weights, unless the trainer clips; None clips nothing.
    filter_weight
        Of `rejection_loss` in the loss of the architecture.
    """

    paths_only = False
    """Whether a mixture executes one path only."""

    def __init__(self, training_module: LightningModule, architecture: ArchitectureParameters,
                 *args: Any, learning_rate: float = 3e-4, weight_decay: float = 1e-3,
                 warmup_epochs: int = 0, gradient_clip_val: float | None = None,
                 filter_weight: float = 1., **kwargs: Any):
        super().__init__(training_module, *args, **kwargs)
        self.architecture, self.warmup_epochs = architecture, warmup_epochs
        self.gradient_clip_val, self.filter_weight = gradient_clip_val, filter_weight
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self._mixer: Mixer | None = None
        self._optimizer: torch.optim.Optimizer | None = None
        self._optimizer_state: dict[str, Any] | None = None

    @property
    def mixer(self) -> Mixer:
        """Makes the super-net compute mixtures."""
        if self._mixer is None:
            self._mixer = Mixer(self.model, self.paths_only)
            super().activate(self.export())  # sets also what depends on no label
        return self._mixer

    @property
    def architecture_optimizer(self) -> torch.optim.Optimizer:
        """Trains the logits; made when they are on their device."""
        if self._optimizer is None:
            self._optimizer = torch.optim.Adam(
                [self.architecture.logits], self.learning_rate, betas=(0.5, 0.999),
                weight_decay=self.weight_decay)
            if self._optimizer_state is not None:
                self._optimizer.load_state_dict(self._optimizer_state)
        return self._optimizer

    def draw(self) -> Sample:
        """Return an architecture drawn by its probability."""
        return self.accepted(self.architecture.sample, lambda sample: [sample])

    def search_mixture(self) -> Drawn:
        """Return the mixture that the architecture's loss is taken of."""
        raise NotImplementedError

    @contextmanager
    def mixed(self, drawn: Drawn) -> Iterator[None]:
        """Let the super-net compute a mixture, and the activated path afterwards."""
        if drawn.path is not None:
            super().activate(drawn.path)  # of what nothing weighs
        self.mixer(*drawn)
        try:
            yield
        finally:
            self.mixer(None)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """Train the architecture, and return the loss of the weights with its regularisers."""
        if self.trainer.current_epoch >= self.warmup_epochs:
            self.architecture_step(self.to_device(self.loaders.held_out.next()), batch)
        return super().training_step(batch, batch_idx)

    def architecture_step(self, batch: Any, training_batch: Any) -> None:
        """Train the logits; the weights get no gradient.

        Parameters
        ----------
        batch
            Of the held-out data.
        training_batch
            On which the weights are trained next.
        """
        logits = self.architecture.logits
        logits.grad = self.architecture_gradient(batch, training_batch)
        loss = self.rejection_loss()
        if loss.requires_grad:
            logits.grad += torch.autograd.grad(self.filter_weight * loss, [logits])[0]
        self.architecture_optimizer.step()
        logits.grad = None

    def architecture_gradient(self, batch: Any, training_batch: Any) -> Tensor:
        """Return the gradient of the logits; see `architecture_step`."""
        gradient, = torch.autograd.grad(self.mixture_loss(batch), [self.architecture.logits])
        return self.ranks.mean(gradient)

    def rejection_loss(self) -> Tensor:
        r"""Return what has the gradient of minus the log of the probability of being accepted.

        .. math:: -\nabla \log P(\text{accepted}) = E_p[\nabla \log p(s)] -
                  E_p[\nabla \log p(s) \mid s \text{ is accepted}]

        Both are means over a few drawn architectures, the second over those that are accepted. If
        all are, or there is no filter, it is a constant 0.
        """
        if self.accept is None or not self.filter_weight:
            return torch.zeros(())
        drawn = [self.architecture.sample() for _ in range(_DRAWN)]
        accepted = list(filter(self.accept, drawn))
        if len(accepted) == len(drawn):
            return torch.zeros(())
        log_probability = self.architecture.log_probability
        return (log_probability(drawn).mean()
                - log_probability(accepted or [self.draw()]).mean())

    def mixture_loss(self, batch: Any) -> Tensor:
        """Return the loss of the mixture that is searched on a batch; nothing is logged."""
        with self.mixed(self.search_mixture()):
            return quiet_loss(self.training_module, batch)

    def configure_gradient_clipping(self, optimizer: torch.optim.Optimizer,
                                    gradient_clip_val: float | None = None,
                                    gradient_clip_algorithm: str | None = None) -> None:
        """Clip the gradients of the weights, as the evaluator's module does; a hook."""
        if gradient_clip_val is None:
            gradient_clip_val = self.gradient_clip_val
        clip = super().configure_gradient_clipping
        if 'configure_gradient_clipping' in overridden_hooks(self.training_module):
            clip = self.training_module.configure_gradient_clipping
        clip(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def export(self) -> Sample:
        """Return the most probable architecture; `TrainedSuperNet.best` scores several."""
        return next(self.architecture.most_probable())

    @torch.no_grad()
    def export_probs(self) -> dict[str, dict[Any, float]]:
        """Return label -> choice -> probability, a chosen input as its index, several as tuple."""
        return {label: {_key(choice): float(weight) for choice, weight in pairs}
                for label, pairs in self.architecture.mixture().items()}

    def search_state(self) -> dict[str, Any]:
        """Return all that Lightning does not keep itself; the logits are among the weights."""
        return {**super().search_state(),
                'architecture_optimizer': self.architecture_optimizer.state_dict(),
                'architecture_generator': self.architecture.generator.get_state()}

    def load_search_state(self, state: dict[str, Any]) -> None:
        """Continue from what `search_state` has returned."""
        super().load_search_state(state)
        self._optimizer, self._optimizer_state = None, state['architecture_optimizer']
        self.architecture.generator.set_state(state['architecture_generator'])


class GDASModule(DifferentiableModule):
    """Only the drawn choice of each label is executed, in the steps of both kinds.

    Narrower slices and lesser depths inside the drawn ones are at hand, and are weighed with them.

    Parameters
    ----------
    *args, **kwargs
        As of `DifferentiableModule`.
    temperature
        Of the Gumbel-softmax in the first and in the last epoch that trains the architecture.
    """

    paths_only = True

    def __init__(self, *args: Any, temperature: tuple[float, float] = (10., 0.1), **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.temperatures = temperature

    @property
    def temperature(self) -> float:
        """Temperature of the current epoch: linear between the first and the last."""
        first, last = self.temperatures
        steps = self.epochs - 1 - self.warmup_epochs
        done = max(0, self.trainer.current_epoch - self.warmup_epochs)
        return first + (last - first) * min(1., done / steps) if steps > 0 else first

    def search_mixture(self) -> Drawn:
        """Return a drawn path with straight-through weights."""
        temperature = self.temperature
        return self.accepted(lambda: self.architecture.draw(temperature),
                             lambda drawn: [drawn.path or {}])


class DARTSModule(DifferentiableModule):
    r"""All choices are executed, weighted by their probabilities.

    An architecture of its own, of a regulariser or to be scored, is the uniform mixture that
    leans towards it (`ArchitectureParameters.leaning`).

    Parameters
    ----------
    *args, **kwargs
        As of `DifferentiableModule`.
    delta
        By how much a mixture leans.
    unrolled
        Whether the gradient of the architecture goes through the step of the weights that follows,
        see `unrolled_gradient`.
    """

    def __init__(self, *args: Any, delta: float = 0.01, unrolled: bool = False, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.delta, self.unrolled = delta, unrolled

    def architecture_gradient(self, batch: Any, training_batch: Any) -> Tensor:
        """Return the gradient of the logits, of first or of second order."""
        if not self.unrolled:
            return super().architecture_gradient(batch, training_batch)
        return unrolled_gradient(
            self.architecture.logits, weight_steps(self.trainer.optimizers[0]),
            partial(self.mixture_loss, training_batch), partial(self.mixture_loss, batch),
            self.ranks.mean)

    def search_mixture(self) -> Drawn:
        """Return all choices with their probabilities."""
        return Drawn(self.architecture.mixture())

    def weight_loss(self, batch: Any, batch_idx: int) -> Any:
        """Return what the evaluator's training step returns, for the mixture."""
        with torch.no_grad():
            mixture = self.search_mixture()
        with self.mixed(mixture):
            return self.training_module.training_step(batch, batch_idx)

    def activate(self, sample: Sample) -> None:
        """Let the super-net compute the mixture that leans towards an architecture."""
        self.mixer(self.architecture.leaning(sample, self.delta))


def _key(choice: Any) -> Any:
    if not isinstance(choice, list):
        return choice
    return choice[0] if len(choice) == 1 else tuple(choice)
