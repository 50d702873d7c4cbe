"""A saved policy acts as the one that was saved, and nothing else is taken for one."""

import copy
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from offline_tutor import data, training
from offline_tutor.algorithms import BC, BC_DISCRETE, CQL_QR_DQN, CQL_SAC, TD3_BC
from offline_tutor.policies import Policy, load_policy

rng = np.random.default_rng(0)
ROWS: dict[str, Any] = {
    "observations": rng.normal(2.0, 3.0, (60, 3)),
    "next_observations": rng.normal(2.0, 3.0, (60, 3)),
    "rewards": rng.normal(size=60),
    "terminations": np.zeros(60, bool),
}
CONTINUOUS = data.from_arrays(
    actions=rng.uniform([-2, 0], [2, 5], (60, 2)), action_bounds=([-2, 0], [2, 5]), **ROWS
)
DISCRETE = data.from_arrays(actions=rng.integers(3, size=60), num_actions=3, **ROWS)
SEEN = CONTINUOUS.transitions.observations[:5]


def trained(algorithm: Any, dataset: data.Dataset, seeds: int = 2) -> Policy:
    config = algorithm.Config(hidden=(8, 8))
    return training.train(
        algorithm, dataset, config=config, num_steps=3, batch_size=8, seeds=seeds, normalize=True,
        progress=False,
    ).policy  # fmt: skip


@pytest.mark.parametrize(
    "algorithm, dataset",
    [(TD3_BC, CONTINUOUS), (CQL_SAC, CONTINUOUS), (BC_DISCRETE, DISCRETE), (CQL_QR_DQN, DISCRETE)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_loaded_policy_acts_as_the_saved_one(
    algorithm: Any, dataset: data.Dataset, tmp_path: Path
) -> None:
    policy = trained(algorithm, dataset)
    policy.save(tmp_path / "new" / "policy.npz")
    loaded = load_policy(tmp_path / "new" / "policy.npz")
    assert (loaded.config, loaded.spec, loaded.rows) == (policy.config, dataset.spec, policy.rows)
    for seed in (0, 1):
        ours, theirs = policy.seed(seed), loaded.seed(seed)
        np.testing.assert_array_equal(ours(SEEN), theirs(SEEN))
        if hasattr(algorithm, "value"):
            np.testing.assert_array_equal(ours.value(SEEN), theirs.value(SEEN))
        np.testing.assert_allclose(theirs(SEEN[0]), theirs(SEEN)[0], rtol=1e-5)
    alone = policy.seed(1)
    alone.save(tmp_path / "alone.npz")
    np.testing.assert_array_equal(load_policy(tmp_path / "alone.npz")(SEEN), alone(SEEN))
    assert {path.name for path in tmp_path.iterdir()} == {"new", "alone.npz"}, "something was left"


def test_an_algorithm_of_ones_own_is_given(tmp_path: Path) -> None:
    own = replace(BC, name="my cloning")
    policy = trained(own, CONTINUOUS)
    policy.save(tmp_path / "policy.npz")
    with pytest.raises(ValueError, match=r"my cloning.*algorithm="):
        load_policy(tmp_path / "policy.npz")
    loaded = load_policy(tmp_path / "policy.npz", own)
    np.testing.assert_array_equal(loaded.seed(0)(SEEN), policy.seed(0)(SEEN))


def rewritten(path: Path, change: Callable[[dict[str, Any], dict[str, np.ndarray]], None]) -> None:
    with np.load(path) as file:
        arrays = dict(file)
    description = json.loads(str(arrays["description"]))
    change(description, arrays)
    arrays["description"] = np.array(json.dumps(description))
    np.savez(path, **arrays)


BROKEN: dict[str, tuple[Callable[[dict[str, Any], dict[str, np.ndarray]], Any], str]] = {
    "a module of elsewhere": (lambda d, a: d.update(algorithm="os.path"), "not of offline_tutor"),
    "a wider network": (
        lambda d, a: d["configs"][0].update(hidden=[9, 8]),
        r"is float32\(2, 8\), not float32\(2, 9\)",
    ),
    "an unknown field": (lambda d, a: d["configs"][0].update(beta=1), "beta"),
    "a number out of range": (lambda d, a: d["configs"][0].update(max_action=0), "max_action is 0"),
    "an array that is missing": (lambda d, a: a.pop("state.step"), "step"),
    "a checkpoint": (lambda d, a: d.pop("spec"), "but a checkpoint"),
    "NaN": (lambda d, a: a["state.actor['layer0']['bias']"].fill(np.nan), "not finite"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_does_not_fit_is_refused(name: str, tmp_path: Path) -> None:
    change, message = BROKEN[name]
    path = tmp_path / "policy.npz"
    trained(BC, CONTINUOUS).save(path)
    rewritten(path, change)
    with pytest.raises(ValueError, match=rf"policy\.npz is not a policy.*{message}"):
        load_policy(path)


def test_other_files_are_no_policies(tmp_path: Path) -> None:
    path = tmp_path / "policy.npz"
    with pytest.raises(FileNotFoundError, match="there is no policy"):
        load_policy(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="not a readable policy"):
        load_policy(path)
    np.savez(path, rewards=np.zeros(3))
    with pytest.raises(ValueError, match="not a readable policy"):
        load_policy(path)
    np.savez(path, description=np.array([{"a": 1}], object))  # would be pickled
    with pytest.raises(ValueError, match="not a readable policy"):
        load_policy(path)


def test_a_policy_says_what_it_was_asked_wrongly() -> None:
    policy = trained(BC, CONTINUOUS)
    with pytest.raises(ValueError, match=r"stack of 2 policies.*\.seed\(0\)"):
        policy(SEEN)
    with pytest.raises(ValueError, match=r"\(5, 2\); this policy takes \(batch, 3\)"):
        policy.seed(0)(SEEN[:, :2])


def test_a_policy_file_without_its_units_is_refused(tmp_path: Path) -> None:
    """Actions would be taken for those of [-1, 1]."""
    trained(TD3_BC, CONTINUOUS).save(tmp_path / "policy.npz")
    with np.load(tmp_path / "policy.npz") as file:
        arrays = {name: file[name] for name in file if not name.endswith("action_centre")}
    np.savez(tmp_path / "policy.npz", **arrays)
    with pytest.raises(ValueError, match="action_centre"):
        load_policy(tmp_path / "policy.npz")


def test_a_policy_is_read_by_the_algorithm_that_trained_it(tmp_path: Path) -> None:
    trained(BC, CONTINUOUS).save(tmp_path / "policy.npz")
    with pytest.raises(ValueError, match="bc trained it, and not mine"):
        load_policy(tmp_path / "policy.npz", replace(BC, name="mine"))


def test_a_list_is_an_observation() -> None:
    one = trained(TD3_BC, CONTINUOUS).seed(0)
    np.testing.assert_array_equal(one(SEEN[0].tolist()), one(SEEN[0]))


def test_a_dictionary_is_an_observation_where_the_data_had_such() -> None:
    policy = trained(BC, CONTINUOUS).seed(0)
    parts = {"place": SEEN[:, 1:], "goal": SEEN[:, :1]}
    with pytest.raises(
        ValueError, match=r"a dictionary, of place, goal; this .*\(batch, 3\): join"
    ):
        policy(parts)
    keyed = replace(policy, spec=replace(policy.spec, observation_keys=(("goal", 1), ("place", 2))))
    np.testing.assert_array_equal(keyed(parts), policy(SEEN))
    one = {name: part[0] for name, part in parts.items()}
    np.testing.assert_array_equal(keyed(one), policy(SEEN[0]))
    with pytest.raises(ValueError, match="observations lack goal; needed are goal"):
        keyed({"place": SEEN[:, 1:]})


def test_a_saved_policy_keeps_the_order_of_its_keys(tmp_path: Path) -> None:
    policy = trained(BC, CONTINUOUS)
    keyed = replace(policy, spec=replace(policy.spec, observation_keys=(("goal", 1), ("place", 2))))
    keyed.save(tmp_path / "policy.npz")
    assert load_policy(tmp_path / "policy.npz").spec == keyed.spec
    rewritten(tmp_path / "policy.npz", lambda d, a: d["spec"].pop("observation_keys"))
    assert load_policy(tmp_path / "policy.npz").spec == policy.spec  # as files were before


@pytest.mark.parametrize(
    ("observations", "message"),
    [
        (np.where(SEEN[3] == SEEN, np.nan, SEEN), r"observations, row 3: \[nan, nan, nan\] is not"),
        ([1.0, np.inf, 0.0], r"observations, row 0: \[1.0, inf, 0.0\] is not finite; leave it out"),
        (SEEN.astype(str), "observations are of type <U32; give numbers"),
        ([[1, 2, 3], [1]], "observations are no array of numbers"),
        (None, r"observations are \(\)"),
    ],
)
def test_observations_are_finite_numbers(observations: Any, message: str) -> None:
    """Of DQN's values, all NaN, the first would be the greatest."""
    policy = trained(CQL_QR_DQN, DISCRETE).seed(0)
    for ask in (policy, policy.value):
        with pytest.raises(ValueError, match=message):
            ask(observations)


def test_policies_are_saved_and_not_pickled(tmp_path: Path) -> None:
    policy = trained(BC, CONTINUOUS)
    with pytest.raises(TypeError, match=r"not pickled: write it by \.save\(path\), .* load_policy"):
        pickle.dumps(policy)
    for copied in (copy.copy(policy), copy.deepcopy({"best": policy})["best"]):
        np.testing.assert_array_equal(copied.seed(1)(SEEN), policy.seed(1)(SEEN))


def test_a_folder_holds_its_policy_and_a_tilde_is_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    policy = trained(BC, CONTINUOUS)
    policy.save("~/mine/best.npz")
    policy.save("~/mine")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["best.npz", "mine", "policy.npz"]
    for path in ("~/mine", "mine/best.npz", Path("~/mine/policy.npz")):
        assert load_policy(path).spec == policy.spec


def lying_header(path: Path) -> None:
    """An array that says it has 10**13 numbers."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = io.BytesIO()
    about = {"descr": "<f4", "fortran_order": False, "shape": (10**13,)}
    np.lib.format.write_array_header_1_0(header, about)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {"state.step.npy": header.getvalue()}).items():
            archive.writestr(name, content)


def other_member(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("notes.txt", b"hello")


def described(text: str) -> Callable[[Path], None]:
    return lambda path: np.savez(path, description=np.array(text))


DAMAGED: dict[str, Callable[[Path], None]] = {
    "a header that lies": lying_header,
    "a member that is no array": other_member,
    "brackets": described("[" * 100_000),
    "a list": described("[1]"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.npz"
    trained(BC, CONTINUOUS).save(path)
    DAMAGED[name](path)
    with pytest.raises(ValueError, match=r"not a readable policy.*Policy\.save"):
        load_policy(path)
