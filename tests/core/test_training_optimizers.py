"""Muon beside AdamW: orthogonal steps for matrices, torch's own numbers for all else."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kinema.errors import InputError
from kinema.training.config import OptimizerConfig
from kinema.training.optimizers import Muon, build_optimizer, is_matrix, orthogonal


def grads(*shapes: tuple[int, ...], seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    made = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    for parameter in made:
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    return made


@pytest.mark.parametrize("shape", [(1, 16, 16), (1, 12, 40), (2, 40, 12), (3, 8, 24)])
def test_singular_values_come_near_one(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 37.0
    found = torch.linalg.svdvals(orthogonal(matrices))
    assert found.min() > 0.3
    assert found.max() < 1.4
    # The directions stay those of the matrix.
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    nearest = u @ v
    cosine = (orthogonal(matrices) * nearest).sum() / orthogonal(matrices).norm() / nearest.norm()
    assert cosine > 0.95


def test_what_is_no_matrix_takes_the_steps_of_adamw() -> None:
    ours, theirs = grads((7,), (5, 3), (64, 2)), grads((7,), (5, 3), (64, 2))
    options = {"lr": 1e-2, "betas": (0.8, 0.9), "eps": 1e-6, "weight_decay": 0.1}
    mine = Muon(ours, **options)  # type: ignore[arg-type]
    torchs = torch.optim.AdamW(theirs, **options)  # type: ignore[arg-type]
    for _ in range(4):
        mine.step()
        torchs.step()
    for ours_, theirs_ in zip(ours, theirs, strict=True):
        torch.testing.assert_close(ours_, theirs_, rtol=1e-5, atol=1e-6)


def test_a_matrix_moves_by_the_length_that_adamw_would_take() -> None:
    (weight,) = grads((32, 8, 3, 3))
    before = weight.detach().clone()
    Muon([weight], lr=0.01, weight_decay=0.0).step()
    change = (weight.detach() - before).square().mean().sqrt()
    # Liu et al. 2025: a root mean square of about 0.2 times the learning rate.
    assert 0.1e-2 < change < 0.3e-2


def test_matrices_of_one_shape_do_not_touch_each_other() -> None:
    together, alone = grads((16, 9), (16, 9), seed=2), grads((16, 9), (16, 9), seed=2)
    Muon(together, lr=0.1).step()
    for parameter in alone:
        Muon([parameter], lr=0.1).step()
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-3)


def test_narrow_and_flat_weights_are_no_matrices() -> None:
    assert is_matrix(torch.zeros(8, 2, 2, 2))
    assert not is_matrix(torch.zeros(64, 4))
    assert not is_matrix(torch.zeros(64))


def test_without_a_gradient_nothing_moves() -> None:
    weight = nn.Parameter(torch.ones(8, 8))
    Muon([weight], lr=1.0).step()
    assert torch.equal(weight, torch.ones(8, 8))


def test_the_recipe_chooses() -> None:
    assert isinstance(build_optimizer(grads((8, 8)), OptimizerConfig()), torch.optim.AdamW)
    assert isinstance(build_optimizer(grads((8, 8)), OptimizerConfig(name="muon")), Muon)
    with pytest.raises(InputError, match="name = 'sgd'"):
        OptimizerConfig(name="sgd")  # type: ignore[arg-type]


def test_weights_in_pieces_are_refused() -> None:
    (weight,) = grads((8, 8))
    weight.device_mesh = object()  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"'muon' needs whole matrices.*'adamw' with FSDP2"):
        Muon([weight], lr=0.1)
