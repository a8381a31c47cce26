"""`gmai slurm`: scripts for this site."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Write Slurm scripts for this site.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def slurm() -> None:
    """Write Slurm scripts for this site."""


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the scripts.")],
    partition: Annotated[
        str | None, typer.Option(help="Partition of all jobs; without it, the site's default.")
    ] = None,
    account: Annotated[str | None, typer.Option(help="Account that the jobs are charged to.")] = None,
    nodes: Annotated[int, typer.Option(min=1, help="Nodes of a training job.")] = 4,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs of a node, one task for each; 0 trains on the CPU.")] = 8,
    cpus_per_gpu: Annotated[int, typer.Option(min=1, help="Cores for each GPU.")] = 8,
    time: Annotated[str, typer.Option(help="Time limit of a training job, such as 24:00:00.")] = "24:00:00",
    venv: Annotated[
        Path | None, typer.Option(help="Virtual environment with gmai, on a shared folder; without it, this one.")
    ] = None,
    container: Annotated[
        str | None, typer.Option(help="Apptainer image with gmai, instead of a virtual environment.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Shared folder for caches; without it, `cache` where a job is submitted.")
    ] = None,
    build_partition: Annotated[str | None, typer.Option(help="Partition of the build, which needs no GPU.")] = None,
    build_mem: Annotated[str | None, typer.Option(help="Memory of a task of the build, such as 16G.")] = None,
    qos: Annotated[str | None, typer.Option(help="Quality of service of all jobs.")] = None,
    gres: Annotated[
        str | None, typer.Option(help="Where a site wants --gres instead of --gpus-per-node, such as gpu:a100:8.")
    ] = None,
    module: Annotated[list[str] | None, typer.Option(help="Module to load; may be given several times.")] = None,
    conda: Annotated[str | None, typer.Option(help="Conda environment with gmai: its name or folder.")] = None,
    bind: Annotated[
        list[str] | None, typer.Option(help="Folder that the container sees; may be given several times.")
    ] = None,
    proxy: Annotated[str | None, typer.Option(help="Proxy of the compute nodes, such as http://proxy:3128.")] = None,
    train_mem: Annotated[
        str | None, typer.Option(help="Memory of a node of a training job, such as 500G; without it, all of it.")
    ] = None,
    build_time: Annotated[str | None, typer.Option(help="Time limit of a task of the build; 04:00:00.")] = None,
    bench_time: Annotated[str | None, typer.Option(help="Time limit of a benchmark job; 08:00:00.")] = None,
    bench_mem: Annotated[str | None, typer.Option(help="Memory of a benchmark job; without it, the node's.")] = None,
    requeue: Annotated[
        bool, typer.Option("--requeue/--no-requeue", help="Whether the site takes jobs back into the queue.")
    ] = True,
    arrays: Annotated[
        bool, typer.Option("--arrays/--no-arrays", help="Whether the site allows job arrays; else one job builds.")
    ] = True,
    online: Annotated[
        bool, typer.Option("--online/--offline", help="Whether compute nodes reach the Hugging Face Hub.")
    ] = False,
) -> None:
    """Write scripts that build, train and measure, filled in for this site.

    Run it again with other options: scripts are updated, and the lines that you changed by hand stay.

    `gmai doctor --slurm` says whether the cluster will run them.
    """
    from gmai_cli.slurm.scripts import Site, write

    site = Site(
        partition=partition, account=account, nodes=nodes, gpus=gpus, cpus_per_gpu=cpus_per_gpu, time=time, venv=venv,
        container=container, cache=cache, build_partition=build_partition, build_mem=build_mem, qos=qos, gres=gres,
        modules=tuple(module or ()), conda=conda, binds=tuple(bind or ()), proxy=proxy, train_mem=train_mem,
        build_time=build_time, bench_time=bench_time, bench_mem=bench_mem, requeue=requeue, arrays=arrays,
        online=online,
    )  # fmt: skip
    write(site, folder)
