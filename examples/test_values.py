"""What becomes of a moment that a program has read: on a guest it is a real ``datetime``, whoever looks at it."""

import datetime as dt
import importlib.util

import orjson
import pydantic
import pytest

from pytest_hvclock import Host

START = "2031-03-04T05:06:07.123456789Z"
NOW = dt.datetime(2031, 3, 4, 5, 6, 7, 123_456, tzinfo=dt.UTC)


@pytest.fixture(params=["time-machine", "freezegun"])
def backend(request):
    """Run on a guest by each backend; freezegun alone hands out datetimes of its own kind."""
    with Host(start=START).guest(timesync="off").running(backend=request.param):
        yield request.param


class Event(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    at: dt.datetime = pydantic.Field(default_factory=lambda: dt.datetime.now(dt.UTC))


class Kept(pydantic.BaseModel):
    at: dt.datetime = pydantic.Field(default_factory=dt.datetime.now)


@pytest.mark.usefixtures("backend")
def test_orjson_writes_it():
    assert orjson.dumps(dt.datetime.now(dt.UTC)) == b'"2031-03-04T05:06:07.123456+00:00"'


@pytest.mark.usefixtures("backend")
def test_pydantic_takes_it_and_builds_models_of_it():
    assert Event().at == NOW
    assert Event(at=dt.datetime.now(dt.UTC)).model_dump_json() == '{"at":"2031-03-04T05:06:07.123456Z"}'
    model = pydantic.create_model("Model", at=(dt.datetime, dt.datetime.now(dt.UTC)))
    assert model().at == model.model_validate_json(model().model_dump_json()).at == NOW


def test_pydantic_reads_the_guest_where_it_keeps_the_function_itself(backend):
    """In compiled code, where freezegun cannot put another in its place."""
    assert (Kept().at.year == 2031) is (backend == "time-machine")


if importlib.util.find_spec("pandas"):  # it is large, and so required on the newest Pythons alone
    import pandas as pd

    @pytest.mark.usefixtures("backend")
    def test_pandas_counts_from_it():
        now = dt.datetime.now(dt.UTC)
        for moment in (
            *(pd.Timestamp(now), pd.Timestamp.now("UTC"), pd.to_datetime("now", utc=True)),
            *(pd.Series([now])[0], pd.date_range(now, periods=2)[0]),
        ):
            assert moment == NOW
