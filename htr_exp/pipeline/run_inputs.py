"""What a job knows: its run folder and the files that names by digest, nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from htr_exp.audit.memory_estimate import workers_within
from htr_exp.config.schema import Experiment, experiment_of
from htr_exp.core import machine
from htr_exp.core.errors import ChangedError, DatasetError, ModelError, RuntimeUnavailableError, TrainingError
from htr_exp.core.file_cache import Stamp, stamp_of, user_cache
from htr_exp.core.files import digest_json, sha256_file
from htr_exp.core.known_files import KnownFiles
from htr_exp.core.task import task_of
from htr_exp.core.text import and_more
from htr_exp.groundtruth.examine import LINE_PAIRS
from htr_exp.groundtruth.pair_pages import pictures_digest
from htr_exp.groundtruth.scan import image_digests
from htr_exp.kraken import runtime
from htr_exp.kraken.commands import PREDICTION_TEMPLATE
from htr_exp.pipeline.preparation import preparation_of
from htr_exp.runs import openings, temporary_folder
from htr_exp.runs.records import PageRecord, PlacesRecord, Provenance, SplitRecord
from htr_exp.runs.run_dir import BrokenRunError, RunDir
from htr_exp.runs.seals import CHANGED
from htr_exp.scoring.text_order import Release
from htr_exp.splits.split import NAMES

IMAGE_CHANGED = "the image was changed since the run was planned"
STAGED_CHANGED = "the staged page was changed; the same train command stages it again"
STAGED_GONE = "the staged page is gone; the same train command stages it again"
BACK = "put the file back and start the same command again, or plan a new run with the file as it is now"


@dataclass(frozen=True)
class RunInputs:
    """A run folder, read."""

    run: RunDir

    @cached_property
    def experiment(self) -> Experiment:
        """The configuration."""
        keys = experiment_of(task_of(self.facts["run"]["task"]))
        values = self.run.configuration()
        try:
            return OmegaConf.to_object(OmegaConf.merge(keys, values))  # type: ignore[return-value]
        except OmegaConfBaseException as error:
            raise BrokenRunError(self.run, self.run.experiment, str(error).partition("\n")[0]) from None

    @cached_property
    def facts(self) -> Provenance:
        """provenance.json."""
        return self.run.facts()

    @cached_property
    def places(self) -> PlacesRecord:
        """Where everything is on this machine."""
        values: PlacesRecord = self.run.needed(self.run.places)
        return values

    @cached_property
    def split(self) -> SplitRecord:
        """split.json."""
        values: SplitRecord = self.run.needed(self.run.split)
        return values

    @cached_property
    def device(self) -> str:
        """The device that `training.device` means on this machine."""
        return machine.device(str(self.facts["device"]))

    @cached_property
    def kraken(self) -> runtime.Kraken:
        """The kraken of the configuration on this machine, which sees what the run needs and nothing else; for who holds the run.

        Raises:
            RuntimeUnavailableError: it is not here, or another one than the plan's or than the training began with.
        """
        wanted = self.experiment.runtime
        if wanted.kind == "host":
            wanted = replace(wanted, kraken=self.facts["software"]["kraken"])
        found = runtime.provide(wanted)
        begun = next((leg["kraken"] for leg in reversed(self.run.begun) if leg.get("kraken")), None)
        if begun is not None and begun != found.version and self.run.epochs():
            raise RuntimeUnavailableError(
                f"the training began with kraken {begun} and only kraken {found.version} is here"
                + (f" ({found.fallback})" if found.fallback else "")
                + ": resume it where there is the other one, or start anew with again=true"
            )
        images = {image.parent for page in self.pages(*NAMES) for image, _ in self.images(page)}
        models = [self._model("base_model")] if self.facts["model"] else []
        models += [self.segmenter] if self.segmenter else []
        return found.within(
            readable=[*sorted(images), *models],
            writable=[self.run.path, self.cache],
            scratch=temporary_folder.reserve(self.run, found.temporary_files),
            helpers=self.run.mount_helpers,
            gpu=not self.device.startswith("cpu"),
        )

    def _model(self, name: Literal["base_model", "segmentation_model"]) -> Path:
        path = self.places[name]
        assert path is not None  # noqa: S101 - asked where provenance.json names such a model
        return Path(path)

    @property
    def of_system(self) -> bool:
        """Whether the predictions of another system are scored: then no kraken is needed."""
        return "predictions" in self.facts

    @property
    def release(self) -> Release:
        """The release of kraken whose display order texts have; of another system, whose texts have none, the newest."""
        return "7.1" if self.of_system else self.kraken.release

    @property
    def kraken_version(self) -> str:
        """The version that the last start found, or that the plan states."""
        found = self.run.found_krakens
        return str(found[-1]["version"] if found else self.facts["software"]["kraken"])

    @property
    def workers(self) -> int:
        """The loader processes that `training.workers` means on this machine: those of pages need memory, too."""
        asked = self.experiment.training.workers
        most = machine.workers(asked, self.device)
        if asked is not None:
            return asked
        return workers_within(self.experiment.slurm.mem_gb, self.facts.get("memory"), most)

    @property
    def trains(self) -> bool:
        """Whether anything is learnt; else the base model is evaluated."""
        return bool(self.split["train"])

    @property
    def cache(self) -> Path:
        """The folder that runs share, by content."""
        return Path(self.places["cache"])

    @property
    def held_out(self) -> tuple[str, ...]:
        """The sides of the split that are predicted and scored: a sealed test is not."""
        return ("validation",) if openings.is_sealed(self.run) else ("validation", "test")

    def pages(self, *sides: str) -> list[PageRecord]:
        """The pages of some sides, ordered by content."""
        return sorted((page for side in sides for page in self.split[side]), key=lambda page: str(page["digest"]))

    def compiled(self) -> dict[str, Path]:
        """The file in which the cache holds, or will hold, what is compiled of each side of the split."""
        digests = {side: [page["digest"] for page in self.pages(side)] for side in NAMES}
        return preparation_of(self.experiment).compiled(self.experiment, self.cache, self.kraken_version, digests)

    def to_compile(self) -> list[Path]:
        """The compiled files that training needs and the cache does not hold yet."""
        return [path for path in self.compiled().values() if not path.exists()] if self.trains else []

    def staged(self, page: PageRecord) -> Path:
        """The page file that kraken sees."""
        return Path(self.places["pages"][page["page"]]["staged"])

    def image(self, page: PageRecord) -> Path:
        """A page's image on this machine."""
        return Path(self.places["pages"][page["page"]]["image"])

    def images(self, page: PageRecord) -> list[tuple[Path, str]]:
        """What is seen of a page, each file with its digest: its image, or of line pairs that of each line."""
        place = self.places["pages"][page["page"]]
        lines = [(Path(line["image"]), line["sha256"]) for line in place.get("lines", ())]
        return lines or [(Path(place["image"]), page["image_digest"])]

    @property
    def of_line_pairs(self) -> bool:
        """Whether the lines are pictures of their own; runs of before had none."""
        return self.facts["dataset"].get("format") == LINE_PAIRS

    @property
    def scored(self) -> tuple[str, ...]:
        """What the record calls the models that are scored, whether there is a base model or not."""
        return ("base", "best") if self.trains else ("model",)

    def models(self) -> dict[str, Path]:
        """The models that are scored, by these names: of a training its base model, where there is one, and its best."""
        if self.of_system:
            return {"model": self.run.given_predictions}
        if not self.trains:
            return {"model": self._model("base_model")}
        return ({"base": self._model("base_model")} if self.facts["model"] else {}) | {"best": self.run.best}

    @property
    def segmenter(self) -> Path | None:
        """The segmentation model that finds the lines of an evaluation from end to end; None without one."""
        return self._model("segmentation_model") if self.facts.get("segmentation_model") else None

    @cached_property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of each model that is scored."""
        return {name: self.digest(path) for name, path in self.models().items()}

    def digest(self, model: Path) -> str:
        """The SHA-256 of a model's file: as planned, of one that the run is given; else read once as long as it stays the same."""
        if model in self._planned_models:
            return self._planned_models[model][1]
        key = (model, *stamp_of(model.stat()))
        if key not in self._known_digests:
            self._known_digests[key] = sha256_file(model)
        return self._known_digests[key]

    @cached_property
    def _known_digests(self) -> dict[tuple[Path, int, int, int, int], str]:
        return {}

    @cached_property
    def _planned_models(self) -> dict[Path, tuple[str, str]]:
        """What each model that the run is given is called, and its digest in the plan."""
        found: dict[Path, tuple[str, str]] = {}
        base = self.facts["model"]
        if base is not None and self.of_system:
            found[self.run.given_predictions] = "file of predictions", base["sha256"]
        elif base is not None:
            found[self._model("base_model")] = "base model", base["sha256"]
        if (segmenter := self.facts.get("segmentation_model")) is not None:
            found[self._model("segmentation_model")] = "segmentation model", segmenter["sha256"]
        return found

    @cached_property
    def files(self) -> KnownFiles:
        """What is known of the files that kraken reads."""
        return KnownFiles()

    def unchanged(self, pages: Iterable[PageRecord] = (), models: Mapping[Path, str] | None = None) -> list[Stamp]:
        """Make sure that files are what the plan saw; to be called before kraken reads them and after.

        Args:
            pages: whose images and staged pages are meant.
            models: their files, with the digest that each must have.

        Returns:
            Their stamps: where they are others afterwards, somebody touched the files meanwhile, and may have put them back.

        Raises:
            ChangedError: they are not, or gone.
        """
        stamps, problems = [], []
        wanted = [(model, sha256, *self._words_of(model)) for model, sha256 in (models or {}).items()]
        for page in pages:
            place = self.places["pages"][page["page"]]
            wanted += [(image, digest, IMAGE_CHANGED, "the image is gone") for image, digest in self.images(page)]
            wanted.append((Path(place["staged"]), place["sha256"], STAGED_CHANGED, STAGED_GONE))
        for path, sha256, changed, gone in wanted:
            try:
                if (stamp := self.files.look(path, sha256)) is None:
                    problems.append(f"{path}: {changed}")
                else:
                    stamps.append(stamp)
            except FileNotFoundError:
                problems.append(f"{path}: {gone}")
            except OSError as error:
                problems.append(f"{path}: {error.strerror}")
        if problems:
            more = list(filter(None, [and_more(len(problems) - 10)]))
            headline = "files that the run uses are not what it was planned with, so that nothing is kept that follows from them:"
            raise ChangedError(headline, [*problems[:10], *more, BACK])
        return stamps

    def _words_of(self, model: Path) -> tuple[str, str]:
        what, _ = self._planned_models.get(model, ("model", ""))
        since = "since the run was planned" if model in self._planned_models else "while the run used it"
        return f"the {what} was changed {since}", f"the {what} is gone"

    def prediction(self, key: Mapping[str, str | int], page: PageRecord, suffix: str) -> Path:
        """The file in which the cache holds the prediction of a page that was made by all that `key` says."""
        return self.cache / "predictions" / digest_json(key)[:32] / f"{page['digest'][:32]}{suffix}"

    def _verify_kraken(self) -> None:
        # kraken renders it as a program of its own
        if self.run.template.read_text("utf-8") != PREDICTION_TEMPLATE:
            raise TrainingError(
                f"{self.run.template} is not that of this version of htr_exp: start anew with again=true"
            )
        self.kraken  # noqa: B018 - found here, or told why not

    def verify(self) -> None:
        """Make sure that everything is what the plan saw, byte for byte.

        Raises:
            TrainingError: the run folder was changed.
            RuntimeUnavailableError: kraken is not here, or another one than the plan's.
            DatasetError: images or staged pages were, or are gone.
            ModelError: the base model was, or is.
        """
        broken = self.run.broken_seals(every_digest=True)
        if broken:
            raise TrainingError(
                f"{self.run.path}: {CHANGED.format(files=', '.join(broken))}; start anew with again=true"
            )
        if not self.of_system:
            self._verify_kraken()
        problems = []
        pages = self.pages(*NAMES)
        images = [one for page in pages for one in self.images(page)]
        stamps = [_stamp(image) for image, _ in images]
        found = image_digests([image for image, _ in images], user_cache())
        for (image, planned), stamp, digest in zip(images, stamps, found, strict=True):
            if isinstance(digest, OSError):
                problems.append(f"{image}: {digest}")
            elif digest != planned:
                problems.append(f"{image}: {IMAGE_CHANGED}")
            elif stamp is not None:
                self.files.note(image, stamp, digest)
        for page in pages:
            place = self.places["pages"][page["page"]]
            if (
                "lines" in place
                and pictures_digest([line["sha256"] for line in place["lines"]]) != page["image_digest"]
            ):
                problems.append(f"{self.run.places}: it names other pictures of {page['page']} than the plan")
            try:
                if self.files.look(Path(place["staged"]), place["sha256"]) is None:
                    problems.append(f"{place['staged']}: {STAGED_CHANGED}")
            except OSError:
                problems.append(f"{place['staged']}: {STAGED_GONE}")
        if problems:
            more = list(filter(None, [and_more(len(problems) - 10)]))
            raise DatasetError("the data is not what the run was planned with:", problems[:10] + more)
        for path, (what, sha256) in self._planned_models.items():
            if not path.is_file():
                raise ModelError(f"{path}: the {what} is gone")
            if self.files.look(path, sha256) is None:
                raise ModelError(
                    f"{path}: the {what} was changed since the run was planned; give it its own name, or run the command anew"
                )


def _stamp(path: Path) -> Stamp | None:
    try:
        return stamp_of(path.stat())
    except OSError:
        return None
