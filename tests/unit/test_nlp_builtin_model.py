"""The model: equal to scikit-learn's, the same every time, and stored as data that is checked."""

import io
import json
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union

from m2n.text_comparison import normalised
from services.nlp.builtin import store as store_module
from services.nlp.builtin.calibration import (
    Calibration,
    Judged,
    Ranking,
    Stage,
    calibrate,
    folds,
)
from services.nlp.builtin.features import character_features, word_features
from services.nlp.builtin.scoring import IntentModel
from services.nlp.builtin.store import ModelFileError, ModelStore, dump_model, load_model
from services.nlp.builtin.training import content_hash, train
from tests.unit.nlp_builtin_bots import demo_bot

WORDS = ["bike", "rent", "a", "I", "the", "e-bike", "müde", "Straße", "price", "2", "open?", "сколько", "كم", "🚲"]
TEXTS = st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
PHRASES = {
    "tea": ["I want tea", "a cup of tea please", "green tea", "do you have tea"],
    "coffee": ["I want coffee", "an espresso please", "coffee with milk", "do you have a cappuccino"],
    "cake": ["a slice of cake", "which cakes are there", "apple pie", "something sweet"],
}
NEVER = Path("never.npz")


@cache
def model_of(*intents: str) -> IntentModel:
    return train("en", {intent: PHRASES[intent] for intent in intents})


@cache
def pipeline_of(*intents: str) -> Any:
    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", sublinear_tf=True, preprocessor=normalised)
    pieces = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, preprocessor=normalised)
    pipeline = make_pipeline(make_union(words, pieces), LogisticRegression(C=20, max_iter=1_000))
    pairs = [(text, intent) for intent in sorted(intents) for text in PHRASES[intent]]
    return pipeline.fit([text for text, _ in pairs], [intent for _, intent in pairs])


@settings(deadline=None)
@given(TEXTS)
def test_features_are_those_of_scikit_learn(text: str) -> None:
    plain = normalised(text)
    words = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", lowercase=False).build_analyzer()
    pieces = CountVectorizer(analyzer="char_wb", ngram_range=(2, 5), lowercase=False).build_analyzer()
    assert sorted(word_features(plain)) == sorted(words(plain))
    assert sorted(character_features(plain)) == sorted(pieces(plain))


@pytest.mark.parametrize("intents", [("tea", "coffee"), ("tea", "coffee", "cake")], ids=["two", "three"])
def test_probabilities_are_those_of_scikit_learn(intents: tuple[str, ...]) -> None:
    model, pipeline = model_of(*intents), pipeline_of(*intents)

    @settings(deadline=None)
    @given(TEXTS | st.sampled_from([text for intent in intents for text in PHRASES[intent]]))
    def check(text: str) -> None:
        expected = pipeline.predict_proba([text])[0]
        np.testing.assert_allclose(model.probabilities(normalised(text)), expected, rtol=0, atol=1e-9)

    assert list(pipeline.classes_) == list(model.intents)
    check()


def test_the_same_phrases_give_the_same_bytes() -> None:
    reordered = {intent: PHRASES[intent] for intent in reversed(PHRASES)}
    assert dump_model(train("en", reordered)) == dump_model(model_of(*PHRASES))


def test_the_hash_follows_language_and_content() -> None:
    hashes = {
        content_hash("en", PHRASES),
        content_hash("de", PHRASES),
        content_hash("en", {**PHRASES, "tea": ["tea"]}),
        content_hash("en", {"tea": ["a", "b"]}),
        content_hash("en", {"tea": ["a"], "b": []}),
    }
    assert len(hashes) == 5
    assert content_hash("en", dict(reversed(PHRASES.items()))) == content_hash("en", PHRASES)


def test_querying_imports_no_scikit_learn() -> None:
    code = "import sys, services.nlp.builtin.answers, services.nlp.builtin.engine; print('sklearn' in sys.modules)"
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("counts", [(0,), (1,), (1, 1), (1, 2), (3,), (1, 3, 2), (1,) * 12, (3,) * 12], ids=str)
def test_few_phrases_train_without_fuss(counts: tuple[int, ...]) -> None:
    words = [f"{a}{b}{c}" for a in "bdfgklmnprstvz" for b in "aeiou" for c in "lnrst"]
    phrases = {f"i{n}": [f"{words[n * 7 + m]} {words[n * 5 + 100]}" for m in range(k)] for n, k in enumerate(counts)}
    phrases = {intent: texts for intent, texts in phrases.items() if texts}
    model = train("en", phrases)
    assert load_model(dump_model(model), NEVER).intents == model.intents
    if len(phrases) < 2:
        assert model.rank("anything") is None
    for intent, texts in phrases.items():
        ranking = model.rank(texts[0])
        assert ranking is None or ranking.intent == intent


def test_folds_never_judge_what_they_train_on() -> None:
    labels = [f"i{n % 7}" for n in range(60)] + ["lonely"]
    seen: set[int] = set()
    for fold in folds(labels):
        assert not set(fold.train) & set(fold.judged)
        assert len(fold.train) + len(fold.judged) == len(labels)
        seen |= set(fold.judged)
    assert seen >= set(range(60))


def judged(probability: float, *, correct: bool = False, in_scope: bool = True) -> Judged:
    return Judged(Ranking("x", probability, probability), 1.0, correct, in_scope)


def test_calibration_parts_right_from_wrong() -> None:
    right = [judged(0.6 + n / 100, correct=True) for n in range(30)]
    wrong = [judged(0.2 + n / 100) for n in range(10)]
    strange = [judged(0.3 + n / 100, in_scope=False) for n in range(20)]
    chosen = calibrate([*right, *wrong, *strange], 20)
    assert 0.45 <= chosen.threshold <= 0.6
    assert chosen.accuracy == 0.75


def test_few_intents_need_a_higher_threshold() -> None:
    thresholds = [calibrate([], intents).threshold for intents in (2, 3, 4, 10)]
    assert thresholds == sorted(thresholds, reverse=True)
    assert calibrate([], 3).accuracy is None
    assert calibrate([judged(0.9, correct=True)] * 30, 2).threshold >= 0.75


@pytest.mark.parametrize(
    ("probability", "margin", "known", "stage"),
    [
        (0.5, 0.2, 0.5, Stage.MODEL),
        (0.39, 0.2, 0.5, Stage.NONE),
        (0.5, 0.09, 0.5, Stage.NONE),
        (1, 1, 0.39, Stage.GUARD),
    ],
)
def test_what_counts(probability: float, margin: float, known: float, stage: Stage) -> None:
    assert Calibration(0.4, 0.1, 0.4, None).stage_of(Ranking("x", probability, margin), known) is stage


def test_known_share_forgives_slips_and_compounds() -> None:
    model = demo_bot("nordlicht").by_language["de"].model
    assert model.known_share("öffnungszeiten") == 1
    assert model.known_share("öfnungszeiten") == 1
    assert model.known_share("brötchenbestellung") == 1
    assert model.known_share("qwertz zxcv") == 0
    assert model.known_share("") == 0


def test_a_stored_model_comes_back_byte_for_byte(tmp_path: Path) -> None:
    model, store = model_of(*PHRASES), ModelStore(tmp_path / "models")
    assert store.load(model.content_hash) is None
    path = store.save(model)
    loaded = store.load(model.content_hash)
    assert loaded is not None
    assert dump_model(loaded) == dump_model(model) == path.read_bytes()
    assert loaded.rank("a cup of tea") == model.rank("a cup of tea")
    assert [entry.name for entry in path.parent.iterdir()] == [f"{model.content_hash}.npz"]


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    model = model_of(*PHRASES)
    (tmp_path / f"{model.content_hash}.npz").mkdir()
    with pytest.raises(OSError, match="irectory"):
        ModelStore(tmp_path).save(model)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "a" * 63])
def test_a_store_opens_only_hashes(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        ModelStore(tmp_path).load(name)


def parts_of(model: IntentModel) -> dict[str, Any]:
    with np.load(io.BytesIO(dump_model(model))) as archive:
        return {name: archive[name] for name in archive.files}


def setting(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(parts: dict[str, Any]) -> None:
        settings = json.loads(parts["settings"].tobytes()) | {name: value}
        parts["settings"] = np.frombuffer(json.dumps(settings).encode(), dtype=np.uint8)

    return change


def array(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    return lambda parts: parts.update({name: change(parts[name])})


class Exploit:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, ...]]:
        return Path.touch, (Path("exploited"),)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("doctor", "says"),
    [
        (array("bias", lambda _: np.array([Exploit()], dtype=object)), "numbers"),
        (array("weights", lambda weights: weights[:-1]), "weights: expected shape"),
        (array("weights", lambda weights: weights.T), "weights: expected shape"),
        (array("bias", lambda bias: bias[None]), "bias: expected shape"),
        (array("weights", lambda weights: weights.astype(np.float32)), "expected float64"),
        (array("weights", lambda weights: weights * np.nan), "finite"),
        (array("word_idf", lambda idf: idf * np.inf), "finite"),
        (array("settings", lambda _: np.zeros(3)), "expected bytes"),
        (array("settings", lambda raw: raw[:-1]), "settings"),
        (lambda parts: parts.pop("bias"), "expected the parts"),
        (lambda parts: parts.update(extra=np.zeros(1)), "expected the parts"),
        (setting("threshold", 2), "settings.threshold"),
        (setting("threshold", float("nan")), "settings.threshold"),
        (setting("intents", ["tea", "tea", "cake"]), "each entry once"),
        (setting("words", "abc"), "settings.words"),
        (setting("surprise", 1), "settings.surprise"),
    ],
)
def test_a_doctored_model_is_refused(
    doctor: Callable[[dict[str, Any]], None], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    parts = parts_of(model_of(*PHRASES))
    doctor(parts)
    file = io.BytesIO()
    np.savez(file, **parts)
    with pytest.raises(ModelFileError, match="delete it, and it is trained anew") as caught:
        load_model(file.getvalue(), NEVER)
    assert says in str(caught.value)
    assert not Path("exploited").exists()


def test_a_pickle_in_place_of_a_model_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelFileError):
        load_model(pickle.dumps(Exploit()), NEVER)
    assert not Path("exploited").exists()


def test_a_zip_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_MODEL_BYTES", 1 << 20)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("bias.npy", "w") as member:
        member.write(bytes((1 << 20) + 1))
    with pytest.raises(ModelFileError, match="over the limit"):
        load_model(file.getvalue(), NEVER)


def test_a_model_under_another_name_is_refused(tmp_path: Path) -> None:
    store, other = ModelStore(tmp_path), "0" * 64
    store.save(model_of(*PHRASES)).rename(store.path(other))
    with pytest.raises(ModelFileError, match="it holds the model"):
        store.load(other)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_bytes_are_refused_or_harmless(data: st.DataObject) -> None:
    whole = dump_model(model_of("tea", "coffee"))
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:at] + data.draw(st.binary(max_size=4)) + whole[at + data.draw(st.integers(0, 4)) :]
    try:
        model = load_model(damaged, NEVER)
    except ModelFileError:
        return
    assert np.isfinite(model.probabilities("a cup of tea")).all()
