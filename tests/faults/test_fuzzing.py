"""A short form of what `make faults` feeds to decoders and endpoints, and proof that it bites."""

import pytest

from pipeline.serve.intake import FORMATS, Format
from tests.faults.fuzzing import SECRET, Target, fuzz, sent, targets
from tests.faults.fuzzing_http import fuzz_http
from tests.support.serving import NOW

INPUTS = 150
REQUESTS = 500
TARGETS = targets()


@pytest.mark.parametrize("target", TARGETS, ids=[each.name for each in TARGETS])
def test_decoders_keep_their_promises(target: Target) -> None:
    assert fuzz(target, INPUTS).violations == []


def test_endpoints_never_fail_and_tell_no_secret() -> None:
    assert fuzz_http(REQUESTS).violations == []


@pytest.mark.parametrize("target", TARGETS, ids=[each.name for each in TARGETS])
def test_what_is_mutated_is_what_a_decoder_takes(target: Target) -> None:
    for sample in target.samples:
        list(target.decode(sample))  # raises where the sample is refused


@pytest.mark.parametrize("form", FORMATS, ids=[each.name for each in FORMATS])
def test_what_is_mutated_is_what_gateways_send(form: Format) -> None:
    for body in sent()[form.name]:
        batch = form.parse(body, NOW)
        assert batch.events
        assert not batch.rejected


def test_an_unpromised_error_is_found() -> None:
    found = fuzz(Target("int", lambda raw: [b"%d" % int(raw)], [b"12"]), INPUTS)
    assert "ValueError" in found.violations[0]


def test_a_secret_that_comes_out_is_found() -> None:
    found = fuzz(Target("echo", lambda raw: [raw], [SECRET.encode()]), INPUTS)
    assert "secret" in found.violations[0]
