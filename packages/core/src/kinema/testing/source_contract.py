"""What a source of training clips promises, as tests to subclass."""

from __future__ import annotations

import pickle

import torch

from kinema.interfaces import ClipForm, ClipItem, ClipSource, RawClip
from kinema.testing.contracts import Contract


class ClipSourceContract(Contract):
    """Promises of a clip source. Define :meth:`make`, with at least one readable clip."""

    def make(self) -> ClipSource:
        """The source under test, made anew at every call."""
        raise NotImplementedError("A ClipSourceContract needs make().")

    def form(self) -> ClipForm:
        """The form in which clips are asked for; one that every clip of the source allows."""
        return ClipForm(size=(48, 32), frames=4, fps=8.0)

    def first(self) -> tuple[ClipItem, RawClip]:
        """The first clip."""
        source = self.make()
        item = source.items(self.form())[0]
        return item, source.read(item, self.form())

    def test_it_is_a_clip_source(self) -> None:
        """It has the protocol's members."""
        assert isinstance(self.make(), ClipSource)

    def test_every_clip_has_a_name_of_its_own(self) -> None:
        """Shards and resumed runs know clips by their keys."""
        keys = [item.key for item in self.make().items(self.form())]
        assert keys
        assert len(set(keys)) == len(keys)

    def test_the_order_stays(self) -> None:
        """A run that was cut short goes on with the same list."""
        assert list(self.make().items(self.form())) == list(self.make().items(self.form()))

    def test_items_travel_to_other_processes(self) -> None:
        """Items are plain data, and another instance reads the same clip from one."""
        item, clip = self.first()
        there = self.make().read(pickle.loads(pickle.dumps(item)), self.form())
        assert torch.equal(there.frames, clip.frames)
        assert (there.caption, there.source, there.fault) == (clip.caption, clip.source, clip.fault)

    def test_a_clip_has_the_form_that_was_asked_for(self) -> None:
        """Frames are uint8 (T, H, W, 3); what is observed fits them."""
        _, clip = self.first()
        (width, height), count = self.form().size, self.form().frames
        assert clip.frames.shape == (count, height, width, 3)
        assert clip.frames.dtype == torch.uint8
        if clip.observation is not None:
            assert clip.observation.displacement.shape == (count, height, width, 2)
            assert clip.observation.visible.shape == (count, height, width)
            assert not clip.observation.displacement[0].any()

    def test_reading_leaves_the_random_state_alone(self) -> None:
        """Reading is a pure function of the item."""
        before = torch.random.get_rng_state()
        self.first()
        assert torch.equal(before, torch.random.get_rng_state())
