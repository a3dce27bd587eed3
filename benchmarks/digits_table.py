"""Make the table of true stand-alone results that the package ships for its demonstration.

Trains random architectures with several seeds, exactly as a trial of the demo does, and writes
nni_rankreg/table/digits_nasbench201.csv.
Results are kept as they come, so that an interrupted run continues where it stopped.

    python benchmarks/digits_table.py
"""

from __future__ import annotations

import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd
import torch
from jsonargparse import CLI
from quiet import quiet
from tqdm import tqdm

from nni_rankreg.archive import Archive
from nni_rankreg.evaluator.digits import digits_accuracy, digits_space
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import decode_nasbench201, encode_nasbench201
from nni_rankreg.table import TabularBenchmark

TABLE = Path(__file__).parents[1] / 'nni_rankreg' / 'table' / 'digits_nasbench201.csv'


def train(job: tuple[str, int]) -> tuple[str, int, float]:
    """Return the validation accuracy of an architecture trained with a seed."""
    arch, seed = job
    torch.set_num_threads(1)
    quiet()
    return arch, seed, digits_accuracy(decode_nasbench201(arch), seed)


def main(architectures: int = 300, seeds: int = 3, jobs: int = 2,
         work: Path = Path('runs/digits_table.sqlite'), out: Path = TABLE) -> None:
    """Train what is missing and write the table.

    Parameters
    ----------
    architectures
        number of random architectures
    seeds
        number of seeds of each
    jobs
        trainings at a time
    work
        archive of the finished trainings
    out
        the table
    """
    archive = Archive(work)
    archs = [encode_nasbench201(sample)
             for sample in UniformSampler(digits_space(), seed=0).distinct(architectures)]
    wanted = [(arch, seed) for arch in archs for seed in range(seeds)]
    metrics = read(archive)
    missing = [job for job in wanted if job not in metrics]
    with ProcessPoolExecutor(jobs, multiprocessing.get_context('spawn')) as pool:
        for arch, seed, metric in tqdm(pool.map(train, missing), total=len(missing)):
            archive.add(decode_nasbench201(arch), metric, seed=seed)
    metrics = read(archive)
    values = [[metrics[arch, seed] for seed in range(seeds)] for arch in archs]
    table = TabularBenchmark([decode_nasbench201(arch) for arch in archs], values)
    print(f'Reliability (mean Kendall tau between seeds): {table.reliability():.3f}')
    names = [f'metric_seed{seed}' for seed in range(seeds)]
    frame = pd.DataFrame(values, columns=names).round(6)
    frame.insert(0, 'arch', archs)
    frame.to_csv(out, index=False)


def read(archive: Archive) -> dict[tuple[str, int], float]:
    """Return the accuracies that the archive holds, by architecture and seed."""
    frame = archive.to_frame()
    return {(encode_nasbench201(json.loads(sample)), seed): metric for sample, seed, metric
            in zip(frame['sample'], frame['seed'], frame['metric'])}


if __name__ == '__main__':
    CLI(main, as_positional=False)
