"""Off-policy evaluation: what a policy is worth, from a record that others made."""

from offline_tutor.ope.choosing import Candidate, Choice, choose
from offline_tutor.ope.evaluate import (
    Evaluation,
    fitted_q_evaluation,
    fitted_q_evaluations,
)
from offline_tutor.ope.fqe import FQE, FQE_CONTINUOUS
from offline_tutor.ope.importance import (
    doubly_robust,
    effective_sample_size,
    importance_sampling,
    per_decision,
    weighted,
    weighted_per_decision,
)
from offline_tutor.ope.logged import Logged, logged
from offline_tutor.ope.probabilities import cloned_behaviour, deterministic, softened
from offline_tutor.ope.resampling import episode_interval, weighted_interval

__all__ = [
    "FQE",
    "FQE_CONTINUOUS",
    "Candidate",
    "Choice",
    "Evaluation",
    "Logged",
    "choose",
    "cloned_behaviour",
    "deterministic",
    "doubly_robust",
    "effective_sample_size",
    "episode_interval",
    "fitted_q_evaluation",
    "fitted_q_evaluations",
    "importance_sampling",
    "logged",
    "per_decision",
    "softened",
    "weighted",
    "weighted_interval",
    "weighted_per_decision",
]
