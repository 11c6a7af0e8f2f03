"""Holds the style of the house: size, names, purity, documentation. Every complaint names what to write instead."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("actors", "cluster", "node")
TEXTS = (*PACKAGES, "tests", "protos", "docs", "deploy", "scripts", "requirements", ".ci")
TEXT_ENDINGS = {"", ".py", ".proto", ".md", ".toml", ".yaml", ".yml", ".lock", ".sh", ".html", ".js", ".css"}

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "misc"}
IMPURE_IMPORTS = {
    "ray": "cluster/transport/ray.py puts an actor on Ray",
    "grpc": "services are in node/services",
    "asyncio": "hosts in cluster/ wait, actors answer at once",
    "time": "block time arrives in the batch",
    "random": "chance arrives in the batch",
    "os": "settings arrive as parameters",
    "pathlib": "files belong to cluster/",
    "socket": "connections belong to cluster/transport",
    "threading": "an actor has one caller at a time",
    "logging": "events explain, hosts log",
    "uuid": "ids come from the sequencer",
    "node": "move what is needed down to actors/",
    "cluster": "move what is needed down to actors/",
}
REMOTE_HOME = "cluster/transport/ray.py"
# Files of actors/ that may divide: exact rationals (fractions.Fraction), which are the yardstick of the integer rules.
FRACTIONS_ALLOWED = {"actors/rulebooks/twilight_exact.py"}
# A method this short is explained by its name and its class.
PLAIN_METHOD_LINES_MAX = 10

# The one-letter classes keep this file from matching its own patterns.
UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X]|NotImplemented[E]rror)\b")
MACHINE_PATH = re.compile(r"(?<![\w.~$}-])/(?:wor[k]|tm[p]|hom[e]|roo[t]|op[t]|User[s])/\w")
REGISTRY = re.compile(r"--(?:extra-)?index-url[ =]\S+:/")


@dataclass(frozen=True)
class Source:
    """One file: its path from the root of the repository, its text and, for Python, its tree."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        """The parsed text; empty where it cannot be parsed, which `python_is_readable` complains of."""
        try:
            return ast.parse(self.text, self.path)
        except SyntaxError:
            return ast.Module([], [])

    @property
    def is_python(self) -> bool:
        return self.path.endswith(".py")

    def under(self, *folders: str) -> bool:
        return self.is_python and self.path.split("/")[0] in folders

    def lines(self, pattern: re.Pattern[str]) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(self.text.splitlines(), 1):
            if found := pattern.search(line):
                yield number, found.group()


Rule = Callable[[Source], Iterator[str]]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_is_readable(source: Source) -> Iterator[str]:
    try:
        ast.parse(source.text if source.is_python else "", source.path)
    except SyntaxError as error:
        yield f"{source.path}:{error.lineno}: {error.msg}: write what the oldest supported Python reads"


def file_is_short(source: Source) -> Iterator[str]:
    lines = source.text.count("\n")
    if source.under(*PACKAGES, "tests") and lines > FILE_LINES_MAX:
        yield f"{source.path}: {lines} lines, at most {FILE_LINES_MAX}: split it into files of one purpose each"


def functions_are_short(source: Source) -> Iterator[str]:
    if not source.under(*PACKAGES, "tests"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, Function) and (lines := line_count(node)) > FUNCTION_LINES_MAX:
            yield (
                f"{source.path}:{node.lineno}: {node.name} has {lines} lines, at most {FUNCTION_LINES_MAX}: "
                "give each step a function with a name of its own"
            )


def names_say_something(source: Source) -> Iterator[str]:
    for part in Path(source.path).parts if source.under(*PACKAGES, "tests") else ():
        if part.removesuffix(".py").removeprefix("test_") in VAGUE_NAMES:
            yield f"{source.path}: '{part}' says nothing: name it after the one thing it does, or move that to its user"


def actors_are_pure(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree) if source.under("actors") else ():
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        else:
            continue
        for name in names:
            if why := IMPURE_IMPORTS.get(name.split(".")[0]):
                yield f"{source.path}:{node.lineno}: actors may not import {name}: {why}"


def actors_count_in_integers(source: Source) -> Iterator[str]:
    if not source.under("actors") or source.path in FRACTIONS_ALLOWED:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield f"{source.path}:{node.lineno}: fraction {node.value}: write an integer of ppm, e9, ticks or atoms"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield f"{source.path}:{node.lineno}: '/' makes a fraction: use '//' or a mul_div that names its rounding"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float":
            yield f"{source.path}:{node.lineno}: float(): keep the integer, convert in node/ where it is shown"


def nothing_is_unfinished(source: Source) -> Iterator[str]:
    for number, word in source.lines(UNFINISHED):
        yield (
            f"{source.path}:{number}: {word}: finish it, or write an issue; "
            "for an interface use typing.Protocol or abc.abstractmethod"
        )


def ray_is_called_in_one_file(source: Source) -> Iterator[str]:
    if not source.under(*PACKAGES) or source.path == REMOTE_HOME:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "remote":
            yield f"{source.path}:{node.lineno}: .remote( is said in {REMOTE_HOME} only: call through the Transport"


def no_machine_is_named(source: Source) -> Iterator[str]:
    for number, found in source.lines(MACHINE_PATH):
        yield f"{source.path}:{number}: path of one machine ({found}...): take it as an argument, or tmp_path in a test"
    for number, found in source.lines(REGISTRY):
        yield f"{source.path}:{number}: {found}: name packages only, where they come from is the machine's setting"


def public_names_are_explained(source: Source) -> Iterator[str]:
    if not source.under(*PACKAGES):
        return
    if source.tree.body and not ast.get_docstring(source.tree):
        yield f"{source.path}:1: no module docstring: begin with one sentence that says what this file is"
    for node, name in public_definitions(source.tree):
        if not ast.get_docstring(node):
            yield (
                f"{source.path}:{node.lineno}: {name} has no docstring: "
                "say what it answers, with units, rounding, errors and the rule's tag"
            )


def public_definitions(tree: ast.Module) -> Iterator[tuple[Function | ast.ClassDef, str]]:
    """Public functions and classes of a module, and the longer methods of classes without a base that explains them."""
    for node in tree.body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        yield node, node.name
        for member in node.body if isinstance(node, ast.ClassDef) and not node.bases else ():
            if not isinstance(member, Function) or member.name.startswith("_"):
                continue
            if line_count(member) > PLAIN_METHOD_LINES_MAX:
                yield member, f"{node.name}.{member.name}"


def line_count(function: Function) -> int:
    """Lines from `def` to the end, decorators left out."""
    return (function.end_lineno or 0) - function.lineno + 1


LONG_METHOD = '"""A."""\nclass Box:\n    """B."""\n    def lid(self):\n' + "        self.a = 1\n" * 10

# Rule, path and text of a file that breaks it, and the replacement which the complaint has to name.
RULES: list[tuple[Rule, str, str, str]] = [
    (file_is_short, "cluster/a.py", "a = 1\n" * 401, "split it"),
    (
        functions_are_short,
        "node/a.py",
        "def long() -> int:\n" + "    a = 1\n" * 70 + "    return a\n",
        "give each step",
    ),
    (names_say_something, "actors/risk/helpers.py", "", "name it after"),
    (actors_are_pure, "actors/pool.py", "def now() -> int:\n    from time import time_ns\n", "arrives in the batch"),
    (actors_count_in_integers, "actors/pool.py", "half = 0.5\n", "ppm"),
    (actors_count_in_integers, "actors/pool.py", "a = 4\na /= 2\n", "mul_div"),
    (actors_count_in_integers, "actors/pool.py", "a = float(4)\n", "node/"),
    (nothing_is_unfinished, "docs/a.md", "TO" + "DO later\n", "finish it"),
    (nothing_is_unfinished, "node/a.py", "raise NotImplemented" + "Error\n", "typing.Protocol"),
    (ray_is_called_in_one_file, "cluster/launch.py", "actor.apply.remote(1)\n", "Transport"),
    (no_machine_is_named, "docs/a.md", "see /ho" + "me/me/a\n", "argument"),
    (no_machine_is_named, "Makefile", "pip install --index-url " + "https" + "://a.example/simple\n", "packages only"),
    (public_names_are_explained, "node/a.py", "a = 1\n", "one sentence"),
    (
        public_names_are_explained,
        "node/a.py",
        '"""A."""\ndef lid(): ...\n',
        "lid has no docstring: say what it answers",
    ),
    (public_names_are_explained, "node/a.py", LONG_METHOD, "Box.lid has no docstring: say what it answers"),
    (python_is_readable, "actors/a.py", "def lid(:\n", "write what the oldest supported Python reads"),
]
DISTINCT_RULES = list(dict.fromkeys(rule for rule, *_ in RULES))


def repository() -> Iterator[Source]:
    """Every text file of the house, in sorted order; what tools and runs leave is not among them."""
    files = [path for path in ROOT.iterdir() if path.is_file()]
    files += [path for folder in TEXTS for path in (ROOT / folder).rglob("*") if path.is_file()]
    for path in sorted(files):
        relative = path.relative_to(ROOT)
        if path.suffix in TEXT_ENDINGS and "__pycache__" not in relative.parts and path.name != "LICENSE":
            yield Source(relative.as_posix(), path.read_text(encoding="utf-8", errors="replace"))


@pytest.mark.parametrize("rule", DISTINCT_RULES, ids=lambda rule: rule.__name__)
def test_the_house_is_tidy(rule: Rule) -> None:
    complaints = [complaint for source in repository() for complaint in rule(source)]
    assert not complaints, "\n" + "\n".join(complaints)


@pytest.mark.parametrize(("rule", "path", "text", "replacement"), RULES)
def test_a_breach_is_seen_and_its_replacement_named(rule: Rule, path: str, text: str, replacement: str) -> None:
    complaints = list(rule(Source(path, text)))
    assert len(complaints) == 1
    assert path in complaints[0]
    assert replacement in complaints[0]


def test_the_one_home_of_ray_may_call_it() -> None:
    assert not list(ray_is_called_in_one_file(Source(REMOTE_HOME, "actor.apply.remote(1)\n")))


def test_the_whole_house_is_read() -> None:
    paths = {source.path for source in repository()}
    assert {"Makefile", "pyproject.toml", ".ci/run", "actors/__init__.py", "requirements/dev.lock"} <= paths
