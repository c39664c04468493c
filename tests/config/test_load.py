"""What a configuration means once it is read."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

from pytest_batchgate.config import find_source, load_config, profile_names
from pytest_batchgate.config.schema import (
    BREAKER,
    BREAKER_KEYS,
    GATE_KEYS,
    READY_KEYS,
    RETRIES,
    RETRIES_KEYS,
    TOP_KEYS,
)
from pytest_batchgate.config.tree import Place
from pytest_batchgate.config.yamltree import read_yaml
from pytest_batchgate.core.model import Breaker, Command, Config, Gate, GateName, Ready, Retries, Tests
from pytest_batchgate.errors import ConfigError

EXAMPLE = """\
version: 1
workers: auto
fail-fast: false
max-worker-restarts: 8
stages: [static, test]
mask: [DEPLOY_KEY]
defaults: {timeout: 20m, weight: 2, max-workers: 3}
profiles:
  ci: {workers: 4, fail-fast: true, gates: {integration: {retries: 2}, smoke: {run: curl localhost}}}
gates:
  lint:
    run: ruff check .
    stage: static
  security: {run: bandit -q -r src, stage: static, required: false}
  unit: {tests: "not integration", stage: test}
  database: {run: "python -m tests.server 5433", ready: {port: 5433}}
  integration: {tests: integration, paths: [tests/integration/], needs: [unit, database], max-workers: 1}
"""


def load(folder: Path, text: str, *, profile: str | None = None, name: str = "batchgate.yaml") -> Config:
    (folder / name).write_text(text, encoding="utf-8")
    source = find_source(folder, folder / name)
    assert source is not None
    return load_config(source, profile=profile)


def one(folder: Path, keys: str) -> Gate:
    """The gate made of ``keys``."""
    (gate,) = load(folder, f"version: 1\ngates:\n  unit: {keys}\n").gates
    return gate


def test_the_example(tmp_path: Path) -> None:
    config = load(tmp_path, EXAMPLE)
    assert config == Config(
        workers=None,
        max_worker_restarts=8,
        stages=("static", "test"),
        mask=("DEPLOY_KEY",),
        source="batchgate.yaml",
        gates=(
            Gate(
                name=GateName("lint"),
                work=Command(argv=("ruff", "check", "."), weight=2),
                stage="static",
                timeout_s=1200,
                where="batchgate.yaml:11",
            ),
            Gate(
                name=GateName("security"),
                work=Command(argv=("bandit", "-q", "-r", "src"), weight=2),
                stage="static",
                required=False,
                timeout_s=1200,
                where="batchgate.yaml:14",
            ),
            Gate(
                name=GateName("unit"),
                work=Tests(expression="not integration", max_workers=3),
                stage="test",
                timeout_s=1200,
                where="batchgate.yaml:15",
            ),
            Gate(
                name=GateName("database"),
                # No weight: a service takes no worker.
                work=Command(argv=("python", "-m", "tests.server", "5433"), ready=Ready(port=5433)),
                timeout_s=1200,
                where="batchgate.yaml:16",
            ),
            Gate(
                name=GateName("integration"),
                work=Tests(expression="integration", paths=("tests/integration",), max_workers=1),
                needs=(GateName("unit"), GateName("database")),
                timeout_s=1200,
                where="batchgate.yaml:17",
            ),
        ),
    )


def test_a_profile_is_merged_over_the_rest(tmp_path: Path) -> None:
    config = load(tmp_path, EXAMPLE, profile="ci")
    assert (config.workers, config.fail_fast, config.mask) == (4, True, ("DEPLOY_KEY",))
    assert [gate.name for gate in config.gates][-2:] == ["integration", "smoke"]
    integration, smoke = config.gates[-2:]
    assert integration.retries == Retries(count=2)
    assert integration.needs == ("unit", "database")
    assert smoke.timeout_s == 1200
    assert (integration.where, smoke.where) == ("batchgate.yaml:17", "batchgate.yaml:9")
    assert config.places["gates", "integration", "retries"] == "batchgate.yaml:9"


def test_a_profile_replaces_how_a_service_is_ready(tmp_path: Path) -> None:
    text = (
        "version: 1\n"
        "gates: {db: {run: x, env: {A: 1, port: 2}, ready: {port: 1, timeout: 3s}}}\n"
        "profiles:\n"
        "  url: {gates: {db: {ready: {url: 'http://x/'}, env: {A: 3}}}}\n"
        "  slow: {gates: {db: {ready: {timeout: 9s}}}}\n"
    )
    work = load(tmp_path, text, profile="url").gates[0]
    assert isinstance(work.work, Command)
    assert work.work.ready == Ready(url="http://x/", timeout_s=3)
    assert work.env == {"A": "3", "port": "2"}
    slow = load(tmp_path, text, profile="slow").gates[0].work
    assert isinstance(slow, Command)
    assert slow.ready == Ready(port=1, timeout_s=9)


def test_an_unknown_profile_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, EXAMPLE, profile="cy")
    assert str(caught.value) == "--batch-profile: there is no profile 'cy'. Did you mean 'ci'?"
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "version: 1\ngates: {a: {run: x}}\n", profile="ci")
    assert (
        str(caught.value) == "--batch-profile: there is no profile 'ci'. batchgate.yaml defines no profiles"
    )


def test_the_profiles_are_listed(tmp_path: Path) -> None:
    (tmp_path / "batchgate.yaml").write_text(EXAMPLE)
    source = find_source(tmp_path, None)
    assert source is not None
    assert profile_names(source) == ("ci",)


def test_a_profile_may_bring_all_gates(tmp_path: Path) -> None:
    text = "version: 1\nprofiles: {ci: {gates: {a: {run: x}}}}\n"
    assert [gate.name for gate in load(tmp_path, text, profile="ci").gates] == ["a"]
    with pytest.raises(ConfigError, match="there are no gates"):
        load(tmp_path, text)


def test_defaults_are_taken_whole(tmp_path: Path) -> None:
    text = (
        "version: 1\n"
        "defaults: {env: {A: 1, B: 2}, retries: {count: 2, delay: 5s}, cwd: sub}\n"
        "gates: {a: {run: x}, b: {run: x, env: {A: 3}, retries: 0}, c: {tests: true}, "
        "d: {run: y, ready: {line: up}}}\n"
    )
    a, b, c, d = load(tmp_path, text).gates
    assert (a.env, b.env, c.env) == ({"A": "1", "B": "2"}, {"A": "3"}, {"A": "1", "B": "2"})
    assert (a.retries, b.retries) == (Retries(count=2, delay_s=5), Retries())
    assert d.retries == Retries(), "a service is never retried"
    assert isinstance(a.work, Command)
    assert a.work.cwd == "sub"


def test_a_default_ready_makes_services(tmp_path: Path) -> None:
    text = "version: 1\ndefaults: {ready: {line: up}, retries: 2}\ngates: {a: {run: x}, b: {tests: true}}\n"
    a, b = load(tmp_path, text).gates
    assert a.is_service
    assert a.retries.count == 0
    assert b.retries.count == 2


def test_toml_means_the_same(tmp_path: Path) -> None:
    """The same keys in both languages make the same gates; only the places differ."""
    toml = """
[tool.batchgate]
workers = "auto"
fail-fast = false
max-worker-restarts = 8
stages = ["static", "test"]
mask = ["DEPLOY_KEY"]
defaults = { timeout = "20m", weight = 2, max-workers = 3 }
[tool.batchgate.profiles.ci]
workers = 4
fail-fast = true
gates = { integration = { retries = 2 }, smoke = { run = "curl localhost" } }
[tool.batchgate.gates]
lint = { run = "ruff check .", stage = "static" }
security = { run = "bandit -q -r src", stage = "static", required = false }
unit = { tests = "not integration", stage = "test" }
database = { run = "python -m tests.server 5433", ready = { port = 5433 } }
[tool.batchgate.gates.integration]
tests = "integration"
paths = ["tests/integration/"]
needs = ["unit", "database"]
max-workers = 1
"""

    def without_places(config: Config) -> Config:
        gates = tuple(dataclasses.replace(gate, where=None) for gate in config.gates)
        return dataclasses.replace(config, gates=gates, source=None)

    for profile in (None, "ci"):
        read = load(tmp_path, toml, profile=profile, name="pyproject.toml")
        assert without_places(read) == without_places(load(tmp_path, EXAMPLE, profile=profile))
    assert read.gates[-2].where == "pyproject.toml [tool.batchgate.gates.integration]"
    bare = toml.replace("tool.batchgate.", "").replace("[tool.batchgate]", "version = 1")
    assert without_places(load(tmp_path, bare, name="own.toml")) == without_places(load(tmp_path, EXAMPLE))


@pytest.mark.parametrize(
    ("run", "command"),
    [
        ("ruff check .", Command(argv=("ruff", "check", "."))),
        ("""'grep "a b" x'""", Command(argv=("grep", "a b", "x"))),
        ("[sleep, 5, 1.50, true, null]", None),
        ("[sleep, 5, 1.50, true, '']", Command(argv=("sleep", "5", "1.50", "true", ""))),
        ("{shell: 'a && b'}", Command(shell="a && b")),
        ("[a, '&&', b]", Command(argv=("a", "&&", "b"))),
        ("""'grep "|" x'""", Command(argv=("grep", "|", "x"))),
        ("""'echo "a | b" "#c" # d'""", Command(argv=("echo", "a | b", "#c", "#", "d"))),
        ("\"python -c 'a\\nb'\"", Command(argv=("python", "-c", "a\nb"))),
        ("|\n      ruff check .\n", Command(argv=("ruff", "check", "."))),
        (">-\n      ruff check\n      src\n", Command(argv=("ruff", "check", "src"))),
    ],
)
def test_run(tmp_path: Path, run: str, command: Command | None) -> None:
    text = f"version: 1\ngates:\n  unit:\n    run: {run}\n"
    if command is None:
        with pytest.raises(ConfigError, match=r"run\[4\]` has no value: it must be a string"):
            load(tmp_path, text)
    else:
        assert load(tmp_path, text).gates[0].work == command


@pytest.mark.parametrize(
    ("keys", "tests"),
    [
        ("{tests: true}", Tests(rest=True)),
        ("{tests: slow and db}", Tests(expression="slow and db")),
        ("{paths: [tests/./a/, b.py]}", Tests(paths=("tests/a", "b.py"))),
        ("{tests: true, paths: [a]}", Tests(rest=True, paths=("a",))),
        ("{tests: 'on'}", Tests(expression="on")),
        (
            "{tests: on, allow-empty: true, test-timeout: 5}",
            Tests(expression="on", allow_empty=True, test_timeout_s=5),
        ),
    ],
)
def test_tests(tmp_path: Path, keys: str, tests: Tests) -> None:
    assert one(tmp_path, keys).work == tests


def test_every_key_arrives(tmp_path: Path) -> None:
    keys = """
      {run: x, needs: [a, b], stage: s, tags: [t, 'u'], required: false, when: always, priority: -100,
       weight: 3,
       resources: [a db], env: {A: 010, B: 1.10, C: on, D: true, E: 0x1F, F: '', G: 1:30, H: 2024-01-01},
       cwd: ./a/../b,
       timeout: 90, grace: 0, memory-limit: 512MB, leaks: ignore,
       retries: {count: 3, delay: 0, backoff: constant,
       factor: 1.5, max-delay: 1h, jitter: false, on: [failed], match: a+}, fail-on-flaky: true,
       breaker: {window: 3/10, cooldown: 5s, probes: 2, match: b}, parser: ruff, report: out/r.xml,
       cache: on, inputs: ['*.py']}
    """
    gate = one(tmp_path, keys)
    assert gate == Gate(
        name=GateName("unit"),
        work=Command(argv=("x",), cwd="b", weight=3, parser="ruff", report="out/r.xml", fail_on_flaky=True),
        needs=(GateName("a"), GateName("b")),
        stage="s",
        tags=("t", "u"),
        required=False,
        when="always",
        priority=-100,
        resources=("a db",),
        env={"A": "010", "B": "1.10", "C": "on", "D": "true", "E": "0x1F"}
        | {"F": "", "G": "1:30", "H": "2024-01-01"},
        timeout_s=90,
        grace_s=0,
        memory_limit_bytes=512 * 10**6,
        leaks="ignore",
        retries=Retries(
            count=3,
            delay_s=0,
            backoff="constant",
            factor=1.5,
            max_delay_s=3600,
            jitter=False,
            on=("failed",),
            match="a+",
        ),
        breaker=Breaker(threshold=3, window=10, cooldown_s=5, probes=2, match="b"),
        cache="on",
        inputs=("*.py",),
        where="batchgate.yaml:3",
    )  # fmt: skip


def test_keys_stay_strings(tmp_path: Path) -> None:
    gates = load(
        tmp_path, "version: 1\ngates: {on: {run: x}, 3.10: {run: x}, 1: {run: x}, true: {run: x}}\n"
    ).gates
    assert [gate.name for gate in gates] == ["on", "3.10", "1", "true"]


def test_places_of_needs_are_their_own_lines(tmp_path: Path) -> None:
    text = "version: 1\ngates:\n  a:\n    run: x\n    needs:\n      - b\n      - c\n"
    places = load(tmp_path, text).places
    assert places["gates", "a", "needs"] == "batchgate.yaml:5"
    assert places["gates", "a", "needs", "c"] == "batchgate.yaml:7"


def test_a_byte_order_mark_is_no_harm(tmp_path: Path) -> None:
    assert load(tmp_path, "\ufeffversion: 1\ngates: {a: {run: x}}\n").gates[0].name == "a"
    assert (
        load(tmp_path, '\ufeff[tool.batchgate.gates]\na.run = "x"\n', name="pyproject.toml").gates[0].name
        == "a"
    )


def test_documented_defaults_are_the_models() -> None:
    """The table's defaults are words for people; what they say is what the model does."""
    renamed = {"timeout": "timeout_s", "grace": "grace_s", "delay": "delay_s", "max-delay": "max_delay_s",
               "cooldown": "cooldown_s"}  # fmt: skip
    tables = [
        (GATE_KEYS, Gate(name=GateName("x"), work=Command())),
        (TOP_KEYS, Config(gates=())),
        (READY_KEYS, Ready()),
        (RETRIES_KEYS, Retries()),
        (BREAKER_KEYS, Breaker()),
    ]
    checked = 0
    for keys, model in tables:
        for key in keys.values():
            if key.default is None or key.name in (
                "weight",
                "fail-on-flaky",
                "allow-empty",
                "retries",
                "window",
            ):
                continue
            node = read_yaml(key.default, "defaults")
            assert node is not None
            field = renamed.get(key.name, key.name.replace("-", "_"))
            assert key.kind.read(Place(node=node, path=key.name)) == getattr(model, field), key.name
            checked += 1
    assert checked > 20
    assert RETRIES_KEYS["count"].default is None
    assert (Command().weight, Tests().fail_on_flaky, Tests().allow_empty) == (1, False, False)
    assert Breaker().window is None
    assert RETRIES.required == ("count",)
    assert not BREAKER.required


def test_yaml_scalars_agree_with_pyyaml_where_the_versions_of_yaml_do() -> None:
    """PyYAML follows 1.1; for plain words, decimals and quotes there is no difference."""
    text = "[a, 'b c', \"d\\n\", 1, -2, 1.5, true, false, null, ~, 1e+3, [x, {y: z}]]"

    def plain(place: Place) -> object:
        node = place.node
        if node.items is not None:
            return [plain(place.item(index)) for index in range(len(node.items))]
        if node.entries is not None:
            return {key: plain(place.child(key)) for key in node.entries}
        return node.value

    root = read_yaml(text, "x")
    assert root is not None
    assert plain(Place(node=root, path="")) == yaml.safe_load(text.replace("1e+3", "1.0e+3"))
