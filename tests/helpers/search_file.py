"""A search file."""

from __future__ import annotations

SEARCH = """
space:
  class_path: nni_rankreg.space.NasBench201
  init_args: {stem_out_channels: 2, num_modules_per_stack: 1, num_labels: 10}
evaluator:
  class_path: nni_rankreg.evaluator.Classification
  init_args:
    train_dataloaders:
      class_path: nni_rankreg.data.image_loader
      init_args:
        dataset: {class_path: nni_rankreg.data.Digits, init_args: {split: train}}
        batch_size: 150
    val_dataloaders:
      class_path: nni_rankreg.data.image_loader
      init_args:
        dataset: {class_path: nni_rankreg.data.Digits, init_args: {split: validation}}
        batch_size: 450
    num_classes: 10
    max_epochs: 2
    enable_progress_bar: false
    accelerator: cpu
strategy:
  class_path: nni_rankreg.strategy.SPOS
  init_args:
    regularizers:
      - class_path: nni_rankreg.regularizer.LandmarkRegularizer
        init_args:
          landmarks: null
          weight: {parameter: lambda, default: 10.0}
          schedule: {class_path: nni_rankreg.schedule.Schedule, init_args: {warmup: 0}}
    seed: {parameter: seed, default: 3}
"""
