"""The panels of a study: groups of runs that tables and figures are made of, and the files that they are made from.

A panel is a tuple of names: (), (experiment,), (cohort, task), (cohort, task, view) or (cohort, task, view, protocol).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, product
from typing import Any

from leukoflow.config.compared import Ablated, ablated, swept
from leukoflow.config.families import families, selections_of, shares_of
from leukoflow.config.models import Variant
from leukoflow.config.paper_figures import main_models
from leukoflow.config.plan import all_runs, checked_runs, drawn_view, runs_of, stain_name
from leukoflow.config.protocols import leak_twins, touches
from leukoflow.config.published import papers
from leukoflow.config.study import Study
from leukoflow.config.training import Augmentation
from leukoflow.core.runs import Run, fold_name, is_baseline
from leukoflow.core.shards import shard_count
from leukoflow.models.registry import attends, attends_features, has_modules

Panel = tuple[str, ...]
PARTS: dict[int, tuple[str, ...]] = {
    0: (),
    1: ("experiment",),
    2: ("cohort", "task"),
    3: ("cohort", "task", "view"),
    4: ("cohort", "task", "view", "protocol"),
}
"""Names of a panel's parts, by their number."""


@dataclass(frozen=True)
class Plan:
    """A study and the folders that its images are in."""

    study: Study
    roots: Mapping[str, str]
    """For each cohort that is used, the folder that its paths are relative to."""

    @property
    def results(self) -> str:
        """The study's folder."""
        return f"results/{self.study.study}"

    @cached_property
    def runs(self) -> dict[Run, list[str]]:
        """Every run with the cohorts that it is tested on, its own first."""
        return all_runs(self.study)

    @cached_property
    def panels(self) -> list[Panel]:
        """Cohort, task, view and protocol of all runs."""
        return sorted({panel_of(run) for run in self.runs})

    @cached_property
    def network_panels(self) -> list[Panel]:
        """Panels in which a network stands next to the colour baseline."""
        return [panel for panel in self.panels if not all(is_baseline(run.model) for run in self.runs_in(panel))]

    @cached_property
    def main_panels(self) -> list[Panel]:
        """Panels that are examined: those with a network; if there are none, all."""
        return self.network_panels or self.panels

    @cached_property
    def network_views(self) -> list[Panel]:
        """Cohort, task and view of the panels with a network."""
        return sorted({panel[:3] for panel in self.network_panels})

    @cached_property
    def compared(self) -> list[Panel]:
        """Experiments with a reference."""
        return [(name,) for name, experiment in self.study.experiments.items() if experiment.reference]

    @cached_property
    def ranked(self) -> list[Panel]:
        """Experiments with three models or more in two blocks (view, protocol, fold, seed) or more."""
        panels: list[Panel] = []
        for name, asked in self.study.experiments.items():
            folds = sum(self.study.folds(asked.cohort, protocol) for protocol in asked.protocols)
            blocks = len(asked.views) * folds * len(asked.seeds)
            if len(asked.models) > 2 and blocks > 1:
                panels.append((name,))
        return panels

    @cached_property
    def tested(self) -> list[Panel]:
        """Experiments with models to compare; the first of a study of single models, whose tables have no rows."""
        experiments = self.study.experiments.items()
        panels: list[Panel] = [(name,) for name, experiment in experiments if len(experiment.models) > 1]
        return panels or self._first_experiment

    @cached_property
    def remedied(self) -> list[Panel]:
        """Experiments whose models are compared with a reference on changed images; without one, the first."""
        checked: list[Panel] = [
            panel for panel in self.compared if "robustness" in self.study.experiments[panel[0]].checks
        ]
        return checked or self._first_experiment

    @property
    def _first_experiment(self) -> list[Panel]:
        return [(name,) for name in list(self.study.experiments)[:1]]

    @cached_property
    def probed(self) -> list[Panel]:
        """Cohort and task of the panels that are examined."""
        return sorted({panel[:2] for panel in self.main_panels})

    @cached_property
    def gated(self) -> list[Panel]:
        """Cohort, task and protocol of all runs."""
        return sorted({(run.cohort, run.task, run.protocol) for run in self.runs})

    @cached_property
    def profiled(self) -> list[Panel]:
        """Task and side of the images: networks of one task on images of one size are measured together."""
        return sorted({(run.task, str(self.study.views[run.view].size)) for run in self.runs}, key=".".join)

    @cached_property
    def trained(self) -> list[Panel]:
        """Cohort and task of all runs."""
        return sorted({(run.cohort, run.task) for run in self.runs})

    @cached_property
    def shown(self) -> list[Panel]:
        """Each task with every cohort that its models are trained or tested on."""
        return sorted({(cohort, run.task) for run, cohorts in self.runs.items() for cohort in cohorts})

    @cached_property
    def archives(self) -> list[str]:
        """Cohorts that come with masks that no expert drew."""
        masks = {name: self.study.cohorts[name].masks for name in self.roots}
        return [name for name, mask in masks.items() if mask and not mask.expert]

    @cached_property
    def cell_pairs(self) -> list[Panel]:
        """Cohorts and tasks whose cells are found: those of a study that has masks, or views or features of cells."""
        views = any(view.needs_cells for view in self.study.views.values())
        features = any(feature.kind == "morphology" for feature in self.study.features.values())
        return self.shown if self.study.segmentation.sources or self.archives or views or features else []

    @cached_property
    def selections(self) -> list[Run]:
        """Selections of features, one for all runs that read it; in the model's place is the entry of `features`."""
        entries = {run: self.study.models[run.model].features for run in self.runs}
        return sorted({replace(run, model=entry) for run, entry in entries.items() if entry})

    @cached_property
    def selected_panels(self) -> list[Panel]:
        """Panels with selections."""
        return sorted({panel_of(selection) for selection in self.selections})

    @cached_property
    def counted_views(self) -> list[Panel]:
        """Views on which models differ in their number of features alone."""
        return [view for view in self.network_views if self.counted(view)]

    def leak_pairs(self, pair: Panel) -> dict[str, dict[str, Any]]:
        """By protocol with leaks of a cohort and task: the protocol that it is compared with (`against`), the leaks
        that this has not (`leaks`), and the models that were run under both and that these can touch (`models`)."""
        by_protocol: dict[str, set[str]] = {}
        for run in self.runs_in(pair):
            by_protocol.setdefault(run.protocol, set()).add(run.model)
        pairs: dict[str, dict[str, Any]] = {}
        for protocol, twins in leak_twins(self.study.protocols, by_protocol, self.study.splits).items():
            for twin in twins:
                other = self.study.division(twin).leaks
                leaks = [leak for leak in self.study.division(protocol).leaks if leak not in other]
                both = sorted(by_protocol[protocol] & by_protocol[twin])
                models = [name for name in both if any(touches(leak, self.study.models[name]) for leak in leaks)]
                if models:
                    pairs[protocol] = {"against": twin, "leaks": leaks, "models": models}
                    break
        return pairs

    @cached_property
    def leaky(self) -> list[Panel]:
        """Cohort and task of the panels in which protocols with leaks stand next to their twins."""
        return [pair for pair in self.trained if self.leak_pairs(pair)]

    def leak_runs(self, pair: Panel) -> list[Run]:
        """Runs of a cohort and task that are compared for what leaks are worth, with leaks and without."""
        pairs = self.leak_pairs(pair)
        wanted = set()
        for leaky, asked in pairs.items():
            wanted |= set(product((leaky, asked["against"]), asked["models"]))
        return [run for run in self.runs_in(pair) if (run.protocol, run.model) in wanted]

    @cached_property
    def reading(self) -> list[Panel]:
        """Experiments in which several models read features."""
        models = self.study.models
        return [
            (name,)
            for name, experiment in self.study.experiments.items()
            if sum(models[model].features is not None for model in experiment.models) > 1
        ]

    @cached_property
    def chosen(self) -> dict[str, tuple[str, str, int | None]]:
        """Family, method and number of features of models that differ in how their features are chosen."""
        used = {name: self.study.models[name] for name in dict.fromkeys(run.model for run in self.runs)}
        selections = selections_of(used, self.study.features)
        return {name: (family, selection.method, count) for name, (family, selection, count) in selections.items()}

    @cached_property
    def chosen_views(self) -> list[Panel]:
        """Views on which several methods are compared."""
        views = []
        for view in self.network_views:
            used = {self.chosen[run.model][:2] for run in self.runs_in(view) if run.model in self.chosen}
            views += [view] if len(used) > len({family for family, _ in used}) else []
        return views

    @cached_property
    def ablated(self) -> list[Ablated]:
        """What ablations compare."""
        return ablated(self.study)

    @cached_property
    def ablated_experiments(self) -> list[Panel]:
        """Experiments with an ablation."""
        return [(name,) for name in dict.fromkeys(ablation.experiment for ablation in self.ablated)]

    @cached_property
    def swept(self) -> list[tuple[str, str, Variant, list[Run]]]:
        """Experiment, name, base and values, and runs of each variant of a sweep."""
        return [
            (name, model, variant, [run for run in runs_of(self.study, name) if run.model == model])
            for name, variants in swept(self.study).items()
            for model, variant in variants.items()
        ]

    @cached_property
    def swept_experiments(self) -> list[Panel]:
        """Experiments with a sweep."""
        return [(name,) for name in dict.fromkeys(name for name, *_ in self.swept)]

    @cached_property
    def shared_runs(self) -> list[Run]:
        """Runs of models that are trained on several shares of the images."""
        return [run for run in self.runs if run.model in self._shares]

    @cached_property
    def shared_views(self) -> list[Panel]:
        """Views on which a model is trained on several shares."""
        views = set()
        for run, other in combinations(self.shared_runs, 2):
            alike = self._shares[run.model][0] == self._shares[other.model][0]
            if panel_of(run) == panel_of(other) and alike and run.model != other.model:
                views.add(panel_of(run)[:3])
        return sorted(views)

    @cached_property
    def _shares(self) -> dict[str, tuple[str, float]]:
        return shares_of(self.study.models)

    @cached_property
    def split_views(self) -> list[Panel]:
        """Views that are split by several protocols."""
        views = [panel[:3] for panel in self.panels]
        return sorted({view for view in views if views.count(view) > 1})

    @cached_property
    def robustness_runs(self) -> list[Run]:
        """Runs that are tested on changed images; features of cells would need these segmented again."""
        return [run for run in checked_runs(self.study, "robustness") if not self._morphology(run)]

    @cached_property
    def robustness_panels(self) -> list[Panel]:
        """Panels of those runs."""
        return sorted({panel_of(run) for run in self.robustness_runs})

    @cached_property
    def module_panels(self) -> list[Panel]:
        """Panels of those runs whose network has modules of attention that are compared."""
        return sorted({panel_of(run) for run in self.robustness_runs if self.has_modules(run)})

    @cached_property
    def novelty_panels(self) -> list[Panel]:
        """Panels whose runs are shown images of another kind."""
        checked = {panel_of(run) for run in checked_runs(self.study, "novelty")}
        return [panel for panel in self.main_panels if panel in checked]

    @cached_property
    def explained(self) -> dict[Panel, list[Run]]:
        """By panel, the first run (fold, then seed) of each network that sees whole pictures, or features of them."""
        runs = checked_runs(self.study, "explain")
        architectures = {name: model.architecture for name, model in self.study.models.items()}
        return _first_of(
            run
            for run in runs
            if not (is_baseline(architectures[run.model]) or self._shows_cells(run) or self._morphology(run))
        )

    @cached_property
    def attended(self) -> dict[Panel, list[Run]]:
        """By panel, the runs that are explained of networks that see pictures and may attend to positions."""
        able = {name for name, model in self.study.models.items() if attends(model.architecture) and not model.features}
        by_panel = {panel: [run for run in runs if run.model in able] for panel, runs in self.explained.items()}
        return {panel: runs for panel, runs in by_panel.items() if runs}

    @cached_property
    def attending(self) -> dict[Panel, list[Run]]:
        """By panel, the first run (fold, then seed) of each model that reads features and may attend to single ones."""
        runs = checked_runs(self.study, "explain")
        able = {name for name, model in self.study.models.items() if attends_features(model.architecture)}
        return _first_of(run for run in runs if run.model in able and not self._shows_cells(run))

    def _shows_cells(self, run: Run) -> bool:
        """Whether a run sees single cells in place of whole pictures."""
        return self.study.views[run.view].kind == "cells"

    def _morphology(self, run: Run) -> bool:
        """Whether a run's model reads features of cells."""
        name = self.study.models[run.model].features
        return name is not None and self.study.features[name].kind == "morphology"

    @cached_property
    def architectures(self) -> dict[str, Run]:
        """For each architecture of networks, the model that stands for it with its first run: for a paper's, the one
        with the options and recipe that are published."""
        models = {}
        for name in dict.fromkeys(self.study.models[run.model].architecture for run in self.runs):
            runs = [run for run in self.runs if self.study.models[run.model].architecture == name]
            published = next((paper for paper in papers().values() if name in paper.architectures), None)
            model = main_models(self.study, published, runs)[0] if published else runs[0].model
            if not is_baseline(name):
                models[model] = next(run for run in runs if run.model == model)
        return models

    @cached_property
    def planted(self) -> dict[str, float]:
        """How far the stain goes with the class in synthetic cohorts, if they have three levels or more."""
        cohorts = {panel[0]: self.study.cohorts[panel[0]] for panel in self.main_panels}
        drawn = {name: cohort for name, cohort in sorted(cohorts.items()) if cohort.kind == "synthetic"}
        levels = {name: cohort.faults.stain_confounding for name, cohort in drawn.items()}
        return levels if len(set(levels.values())) > 2 else {}

    @cached_property
    def plain(self) -> str:
        """The view that samples are shown in: the first plain one."""
        plain = (name for name, view in self.study.views.items() if view.kind == "plain")
        return next(plain, next(iter(self.study.views)))

    def whole_views(self, cohort: str) -> list[str]:
        """Views of whole pictures that a cohort has, the plain one first."""
        others = [name for name, view in self.study.views.items() if view.kind != "cells" and self._has(cohort, name)]
        return [self.plain, *(name for name in others if name != self.plain)]

    def staged(self, cohort: str) -> tuple[str | None, str | None]:
        """Of a cohort's views of whole fields, the first with normalised stain, and the first other one after several
        operations."""
        chains = {name: [step.do for step in self.study.views[name].chain] for name in self.whole_views(cohort)}
        stain = next((name for name, steps in chains.items() if "reinhard" in steps and "cells" not in steps), None)
        return stain, next((name for name, steps in chains.items() if len(steps) > 1 and name != stain), None)

    def augmenting(self, cohort: str, task: str) -> Run | None:
        """Of the runs on a cohort and task that see whole pictures, the first one whose training changes these."""
        for run in self.runs:
            model = self.study.models[run.model]
            alike = (run.cohort, run.task) == (cohort, task) and not (model.features or self._shows_cells(run))
            if alike and model.training.augmentation != Augmentation():
                return run
        return None

    @cached_property
    def chained(self) -> list[Panel]:
        """Cohort, task and view of the views of whole pictures that are chains, normalised ones included."""
        kinds = ("chain", "normalised")
        return sorted({panel[:3] for panel in self.panels if self.study.views[panel[2]].kind in kinds})

    def has_modules(self, run: Run) -> bool:
        """Whether a run's network has modules of attention that are compared."""
        return has_modules(self.study.models[run.model].architecture)

    def counted(self, view: Panel) -> dict[str, tuple[str, int]]:
        """Family and number of features of the models on a view, if a family has several numbers."""
        names = sorted({run.model for run in self.runs_in(view)})
        return families({name: self.study.models[name] for name in names})

    def runs_in(self, panel: Panel) -> list[Run]:
        """Runs of a panel of two parts or more."""
        return [run for run in self.runs if panel_of(run)[: len(panel)] == panel]

    def selections_in(self, panel: Panel) -> list[Run]:
        """Selections of a panel, of every fold and seed."""
        return [selection for selection in self.selections if panel_of(selection) == panel]

    def view_file(self, cohort: str, view: str) -> str:
        """Summary of a cohort's view; of one that is fitted in every fold, that of the first run."""
        run = self._first_run(cohort, view)
        return self.run_view(cohort, run) if run else f"{self.results}/views/{cohort}.{view}/view.json"

    def run_view(self, cohort: str, run: Run) -> str:
        """Summary of the view in which a run sees a cohort."""
        return f"{self.results}/views/{cohort}.{drawn_view(self.study, run)}/view.json"

    def stains(self, cohort: str, view: str) -> list[str]:
        """The stain that a cohort's view is brought to, if that is found; of one that is fitted in every fold, that
        of the first run."""
        run = self._first_run(cohort, view)
        name = stain_name(self.study, view, fold_name(run)) if run else None
        return [f"{self.results}/stains/{name}.json"] if name else []

    def _has(self, cohort: str, view: str) -> bool:
        """Whether a view can be made of a cohort: one whose stain is fitted in a fold needs a run."""
        return self.study.views[view].target != "training" or self._first_run(cohort, view) is not None

    def _first_run(self, cohort: str, view: str) -> Run | None:
        runs = (run for run, cohorts in self.runs.items() if run.view == view and cohort in cohorts)
        return next(runs, None)

    def label_maps(self, cohort: str) -> list[str]:
        """The cohort's label maps, if the study finds its cells."""
        if cohort not in {pair[0] for pair in self.cell_pairs}:
            return []
        shards = shard_count(self.study.images_of(cohort))
        return [f"{self.results}/cells/{cohort}/{shard:03d}.npy" for shard in range(shards)]

    def run_files(self, runs: Iterable[Run], *names: str) -> list[str]:
        """Files of runs."""
        return [f"{self.results}/runs/{run.name}/{name}" for run in runs for name in names]

    def predictions(self, runs: Iterable[Run]) -> list[str]:
        """Predictions of runs on their own cohorts."""
        return [f"{self.results}/runs/{run.name}/predictions/{run.cohort}.parquet" for run in runs]

    def selection_files(self, selections: Iterable[Run], *names: str) -> list[str]:
        """Files of selections."""
        return [f"{self.results}/selections/{selection.name}/{name}" for selection in selections for name in names]

    @property
    def measured(self) -> list[str]:
        """The cohorts that are used and have images of their own: all but pooled ones."""
        return [cohort for cohort in self.roots if self.study.cohorts[cohort].kind != "pooled"]

    def cohort_files(self, name: str, listed: bool = False) -> list[str]:
        """A file of every measured cohort; only of those that are listed, not drawn, if asked so."""
        kinds = {name: self.study.cohorts[name].kind for name in self.measured}
        cohorts = [cohort for cohort, kind in kinds.items() if not (listed and kind == "synthetic")]
        return [f"{self.results}/cohorts/{cohort}/{name}" for cohort in cohorts]

    @cached_property
    def splits(self) -> list[str]:
        """Every split of the runs."""
        names = sorted({f"{run.cohort}.{run.task}.{run.protocol}" for run in self.runs})
        return [f"{self.results}/splits/{name}.parquet" for name in names]

    def table(self, name: str) -> str:
        """A table of the study."""
        return f"{self.results}/tables/{name}.csv"

    def part(self, kind: str, panel: Panel, name: str) -> str:
        """A table of one panel, before all of a kind are gathered."""
        return f"{self.results}/parts/{kind}/{'.'.join(panel)}/{name}.csv"


def panel_of(run: Run) -> Panel:
    """Cohort, task, view and protocol of a run."""
    return run.cohort, run.task, run.view, run.protocol


def _first_of(runs: Iterable[Run]) -> dict[Panel, list[Run]]:
    """By panel, the first of the runs of each model."""
    first: dict[Panel, Run] = {}
    for run in runs:
        first.setdefault((*panel_of(run), run.model), run)
    panels: dict[Panel, list[Run]] = {}
    for run in first.values():
        panels.setdefault(panel_of(run), []).append(run)
    return panels
