from __future__ import annotations

import json
import math
import pickle
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from unit.results.synthetic import make_result

from clusterbayes.errors import ClusterBayesError, FitError
from clusterbayes.inference import progress
from clusterbayes.records import STAGES, ClusterModelingTool, DataToolType, ErrorMessage, ToolStatus, TransitionError
from clusterbayes.records.record import TRANSITIONS, version_text

NOON = datetime(2030, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)


def made(model, **fields):
    return st.fixed_dictionaries(fields).map(lambda values: model(**values))


INTEGERS = st.integers(-(2**53), 2**53)
JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
TIMES = st.datetimes(
    min_value=datetime(1990, 1, 1),
    max_value=datetime(2100, 1, 1),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7)), timezone(timedelta(hours=5, minutes=30))]),
)
MESSAGES = made(
    ErrorMessage,
    id=st.none() | st.text(max_size=5) | INTEGERS,
    detail=st.none() | st.text(max_size=20),
    message=st.none() | st.text(max_size=20),
    stage=st.none() | st.sampled_from(STAGES),
    meta=st.none() | st.dictionaries(st.text(max_size=5), JSON, max_size=3),
)
RECORDS = made(
    ClusterModelingTool,
    id=st.none() | INTEGERS,
    name=st.text(),
    data_tool_type=st.sampled_from(DataToolType),
    creator_id=INTEGERS,
    observation_id=st.none() | INTEGERS,
    project_id=st.none() | INTEGERS,
    status=st.sampled_from(ToolStatus),
    iterations=st.integers(0, 1000),
    priority=INTEGERS,
    created_on=TIMES,
    started_on=st.none() | TIMES,
    completed_on=st.none() | TIMES,
    version=st.none() | st.text(max_size=90),
    error_messages=st.none() | st.lists(MESSAGES, max_size=2),
    current_stage=st.none() | st.text(max_size=100),
    current_stage_index=st.none() | st.integers(0, 20),
    total_stages=st.none() | st.integers(0, 20),
    current_stage_progress=st.none() | st.floats(0, 100) | st.just(math.nan),
)
STEPS = {
    ToolStatus.RUNNING: lambda record: record.start(NOON),
    ToolStatus.COMPLETED: lambda record: record.complete(NOON),
    ToolStatus.FAILED: lambda record: record.fail("broken", NOON),
    ToolStatus.CANCELED: lambda record: record.cancel(NOON),
}


def make(status=ToolStatus.READY, **changes):
    return ClusterModelingTool(**{"name": "M 67", "creator_id": 7, "created_on": NOON, "status": status, **changes})


# --- its life --------------------------------------------------------------------------------------------------------


def test_a_new_record_is_ready():
    record = ClusterModelingTool(name="M 67", creator_id=7)
    assert record.status == "ready"
    assert record.iterations == 0
    assert record.data_tool_type == "cluster_modeling"
    assert abs(datetime.now(UTC) - record.created_on) < timedelta(minutes=1)
    assert record.created_on.utcoffset() == timedelta(0)
    assert record.started_on is record.completed_on is record.error_messages is None


def test_the_allowed_steps_are_those_of_the_schema():
    allowed = {(one.value, two.value) for one, twos in TRANSITIONS.items() for two in twos}
    assert allowed == {
        ("ready", "running"), ("running", "completed"), ("running", "failed"), ("running", "canceled"),
        ("ready", "canceled"),
    }  # fmt: skip


@given(st.sampled_from(ToolStatus), st.lists(st.sampled_from(sorted(STEPS)), max_size=6))
def test_any_sequence_of_steps(status, wanted):
    record = make(status)
    for target in wanted:
        before = record
        if target in TRANSITIONS[record.status]:
            record = STEPS[target](record)
            assert record.status is target
            assert record.iterations == before.iterations + (target is ToolStatus.RUNNING)
            if target is ToolStatus.RUNNING:
                assert record.started_on == NOON
            else:
                assert record.completed_on == NOON
        else:
            with pytest.raises(TransitionError) as caught:
                STEPS[target](record)
            assert f"is {record.status.value} can't become {target.value}" in str(caught.value)
            assert record == before


def test_starting_clears_what_is_left_of_an_earlier_run():
    record = make().start().at_stage("search", 40.0).release()
    assert record.status == "ready"
    again = record.start(NOON)
    assert again.iterations == 2
    assert again.current_stage is again.current_stage_progress is again.error_messages is None


@given(st.sampled_from([status for status in ToolStatus if status is not ToolStatus.RUNNING]))
def test_only_a_running_record_can_be_released_or_be_at_a_stage(status):
    with pytest.raises(TransitionError):
        make(status).release()
    with pytest.raises(TransitionError):
        make(status).at_stage("search")


def test_stage():
    record = make().start().at_stage("sample", 12.5)
    assert (record.current_stage, record.current_stage_index, record.total_stages) == ("sample", 5, 9)
    assert record.current_stage_progress == 12.5
    with pytest.raises(ValueError, match="brew"):
        record.at_stage("brew")


def test_failing_describes_the_error():
    record = make().start().at_stage("sample")
    message = record.fail(FitError("the chain went nowhere", remedy="loosen the priors")).error_messages[0]
    assert message.id == "FitError"
    assert message.stage == "sample"
    assert "went nowhere" in message.detail
    assert "loosen" in message.detail
    assert record.fail(["one", {"message": "two"}]).error_messages[1].message == "two"


def test_transition_error_survives_pickling():
    error = pickle.loads(pickle.dumps(TransitionError("completed", "running")))
    assert isinstance(error, ClusterBayesError)
    assert isinstance(error, ValueError)
    assert str(error) == "a record that is completed can't become running (it can become: nothing)"


# --- on the wire -----------------------------------------------------------------------------------------------------


def test_names_on_the_wire():
    assert list(make().to_wire()) == [
        "id", "name", "dataToolType", "creatorId", "observationId", "projectId", "status", "iterations", "priority",
        "createdOn", "startedOn", "completedOn", "version", "errorMessages", "currentStage", "currentStageIndex",
        "totalStages", "currentStageProgress",
    ]  # fmt: skip
    assert make().to_wire()["createdOn"] == "2030-01-02T12:00:00.123456Z"


@given(RECORDS)
def test_round_trip_through_json_text(record):
    text = json.dumps(record.to_wire(), allow_nan=False)
    back = ClusterModelingTool.from_wire(json.loads(text))
    assert back == record
    assert back.to_wire() == json.loads(text)


@given(RECORDS)
def test_round_trip_by_python_names(record):
    assert ClusterModelingTool.model_validate(record.model_dump()) == record


@given(st.integers(0, 100_000))
def test_progress_as_a_fraction_comes_back_exactly(thousandths):
    progress = thousandths / 1000
    record = make().start().at_stage("sample", progress)
    wire = record.to_wire(progress_as_fraction=True)
    assert wire["currentStageProgress"] == pytest.approx(progress / 100, rel=1e-15)
    assert ClusterModelingTool.from_wire(wire, progress_as_fraction=True) == record


def test_nonfinite_becomes_null():
    record = make(current_stage_progress=math.nan, error_messages=[{"meta": {"x": math.inf, "y": [math.nan, 1]}}])
    assert record.to_wire()["currentStageProgress"] is None
    assert record.to_wire()["errorMessages"][0]["meta"] == {"x": None, "y": [None, 1]}


@pytest.mark.parametrize(
    ("given_form", "details"),
    [
        (None, None),
        ("broken", ["broken"]),
        (["one", "two"], ["one", "two"]),
        ({"detail": "broken", "stage": "sample"}, ["broken"]),
        ([{"id": 3, "detail": "one"}, "two"], ["one", "two"]),
        ([], []),
    ],
)
def test_all_forms_of_error_messages_are_read(given_form, details):
    record = ClusterModelingTool.from_wire({**make().to_wire(), "errorMessages": given_form})
    read = record.error_messages
    assert (None if read is None else [message.detail for message in read]) == details


def test_unknown_keys_of_a_host_are_not_read():
    wire = {**make().to_wire(), "creator": {"id": 7, "name": "Ann"}, "etag": "x"}
    assert ClusterModelingTool.from_wire(wire) == make()


def test_rows_of_other_tools_are_left_alone():
    wire = {**make().to_wire(), "dataToolType": "transient_detector"}
    assert ClusterModelingTool.from_wire(wire).to_wire() == wire


def test_times_are_kept_in_utc():
    local = datetime(2030, 1, 2, 5, 0, tzinfo=timezone(timedelta(hours=-7)))
    record = make(created_on=local)
    assert record.created_on.tzinfo is UTC
    assert record.to_wire()["createdOn"] == "2030-01-02T12:00:00Z"


@pytest.mark.parametrize(
    "change",
    [
        {"created_on": datetime(2030, 1, 2)},
        {"status": "cancelled"},
        {"creator_id": None},
        {"creator_id": "7"},
        {"data_tool_type": "cluster_modelling"},
        {"current_stage": "x" * 101},
        {"current_stage_progress": 101.0},
        {"iterations": -1},
        {"colour": "red"},
    ],
)
def test_wrong_values_are_refused(change):
    with pytest.raises(ValidationError):
        make(**change)


def test_records_do_not_change():
    with pytest.raises(ValidationError):
        make().status = ToolStatus.RUNNING


def test_version_is_cut_to_fit():
    record = make(version="v" * 80)
    assert record.version == "v" * 64
    assert version_text("0.1.0", {"name": "parsec", "digest": "ab" * 32}) == "clusterbayes 0.1.0, parsec " + "ab" * 8


def test_the_words_are_those_of_the_owner():
    """Written out from the owner's schema, in its order; what a fit calls its stages is the same."""
    assert list(ClusterModelingTool.model_fields) == [
        "id", "name", "data_tool_type", "creator_id", "observation_id", "project_id", "status", "iterations",
        "priority", "created_on", "started_on", "completed_on", "version", "error_messages", "current_stage",
        "current_stage_index", "total_stages", "current_stage_progress",
    ]  # fmt: skip
    assert [kind.value for kind in DataToolType] == [
        "radio_tracking_continuum", "radio_tracking_spectrum", "time_series_photometry", "spectral_composer",
        "time_lapse_creator", "cluster_modeling", "transient_detector",
    ]  # fmt: skip
    assert [status.value for status in ToolStatus] == ["ready", "running", "completed", "failed", "canceled"]
    stages = ("ingest", "crossmatch", "select", "load_grid", "search", "sample", "diagnose", "summarize", "export")
    assert STAGES == progress.STAGES == stages
    assert list(ErrorMessage.model_fields) == ["id", "detail", "message", "stage", "meta"]


# --- from a fit ------------------------------------------------------------------------------------------------------


def test_record_of_a_fit():
    result = make_result(n_member=20, n_field=5, n_unused=3)
    record = ClusterModelingTool.from_result(result, name="M 67", creator_id=3, observation_id=4, project_id=5)
    assert record.status == "completed"
    assert record.iterations == 1
    assert (record.creator_id, record.observation_id, record.project_id) == (3, 4, 5)
    assert record.completed_on == datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert (record.completed_on - record.started_on).total_seconds() == pytest.approx(41.5)
    assert record.version == "clusterbayes 0.1.0, parsec 0123456789abcdef"
    assert (record.current_stage, record.current_stage_progress) == ("export", 100.0)
