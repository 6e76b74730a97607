"""The code base keeps its own rules: symbols, layers, sizes, versions, and what the README promises."""

import ast
import doctest
import functools
import graphlib
import importlib
import pathlib
import re
import shutil
import subprocess

import pytest

import hardmine
from hardmine import _core
from optional_torch import torch

ROOT = pathlib.Path(__file__).parents[2]
CPP = sorted((ROOT / "cpp").rglob("*.[ch]pp"))
PYTHON = sorted((ROOT / "python").rglob("*.py"))
MODULES = {".".join(path.relative_to(ROOT / "python").with_suffix("").parts): path for path in PYTHON}


def test_each_object_of_kernels_defines_one_symbol_its_table():
    """A second one could be linked from an object whose instructions this CPU lacks (numpy#25274)."""
    objects = sorted(ROOT.glob("build/*/CMakeFiles/kernels_*.dir/cpp/kernels/*.cpp.o"))
    if not objects or not shutil.which("nm"):
        pytest.skip("needs the build folder that `pip install .` leaves here, and nm")
    seen = {}
    for path in objects:
        listed = subprocess.run(["nm", "--extern-only", "--defined-only", path], capture_output=True, text=True, check=True)
        symbols = [line.split() for line in listed.stdout.splitlines() if line.strip() and not line.endswith(":")]
        family, name = re.search(r"kernels_([a-z0-9]+)_(\w+)\.dir", str(path)).groups()
        assert path.name == f"{family}.cpp.o"
        tables = [symbol for _, kind, symbol in symbols if not symbol.startswith(("__asan", "__odr_asan", "DW.ref"))]
        assert tables == [f"_ZN8hardmine{len(name)}{name}{len(family)}{family}E"], path
        everything = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
        assert "_GLOBAL__sub_I" not in everything.replace("_GLOBAL__sub_I_00099", ""), "runs code before it is chosen"
        assert ("emulated" in everything) == (name == "tiles"), path
        seen.setdefault(family, set()).add(name)
    assert seen == {family: set(names) for family, names in _core.kernels_built().items()}


def includes(path):
    return re.findall(r'^#include ([<"][^>"]+[>"])', path.read_text(), re.MULTILINE)


def test_layers():
    for path in CPP:
        found = includes(path)
        if path.parent.name == "kernels":
            own = r"kernels|simd|doubles|bytes|code_tile|few_codes|int8_\w+|bf16_product|quantised_\w+|emulated_tiles"
            good = rf'<(std\w+|string|immintrin|arm_neon)\.h>|"({own})\.hpp"'
            assert all(re.fullmatch(good, i) for i in found), path
        if not path.name.startswith("bindings"):
            assert not any("pybind11" in i or "Python.h" in i for i in found), path
        if path.name != "parallel.hpp":
            assert "omp.h" not in path.read_text() and "#pragma omp" not in path.read_text(), path
        for word in ("negative", "triplet", "center"):
            assert not re.search(rf"\b{word}s?\b", re.sub(r"Negative floats", "", path.read_text())), (path, word)
    bindings = "".join(path.read_text() for path in (ROOT / "cpp").glob("bindings*"))
    assert not re.search(r"\b(for|while) \(", bindings), "the binding has no loop over data"
    for path in PYTHON:
        if path.name == "_arrays.py" or path.is_relative_to(ROOT / "python/hardmine/torch"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "torch" for name in names), path


LAYERS = (
    "kernels",
    "terms",
    "screens",
    "sinks",
    "isa.hpp",
    "scan",
    "top",
    "bindings",
)  # a file may include what is before


def layer(file):
    """The place of a file, given as cpp/ has it, in the order of layers."""
    folder, _, name = file.rpartition("/")
    if name.startswith("bindings"):
        return LAYERS.index("bindings")
    return LAYERS.index(folder or (name if name in LAYERS else "top"))


def test_no_file_includes_what_stands_above_it():
    """Includes are relative to cpp/, within kernels/ to that folder."""
    cpp = ROOT / "cpp"
    assert {path.name for path in cpp.iterdir() if path.is_dir()} == {name for name in LAYERS if "." not in name} - {
        "top",
        "bindings",
    }
    for path in CPP:
        file = path.relative_to(cpp).as_posix()
        for name in (i[1:-1] for i in includes(path) if i[0] == '"'):
            included = f"kernels/{name}" if path.parent.name == "kernels" else name
            assert (cpp / included).is_file() and included.endswith(".hpp"), (file, name)
            assert layer(included) <= layer(file), (file, name)
    assert includes(cpp / "isa.hpp")[-1:] == ['"kernels/kernels.hpp"'], "it knows tables alone"


def test_blocks_are_scanned_in_one_place_and_written_in_another():
    calls = {path.name: len(re.findall(r"\bscreen\.load_block\(", path.read_text())) for path in CPP}
    assert calls.pop("screen.hpp") == 1, "the concept"
    assert {name: count for name, count in calls.items() if count} == {"visit.hpp": 1, "matrix.cpp": 2}  # and for tests


@functools.cache
def defined(path):
    """The names that the statements of a module define, and those that it imports from modules of the package."""
    names, imported = set(), []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            names |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "hardmine":
            imported += [(node.module, alias.name) for alias in node.names]
    return names, imported


def test_modules_import_the_module_that_defines_a_thing_and_never_in_a_circle():
    graph = {}
    for name, path in MODULES.items():
        graph[name] = set()
        for module, imported in defined(path)[1]:
            whole = f"{module}.{imported}"
            if whole in MODULES or whole == "hardmine._core":
                graph[name].add(whole)
            else:
                assert imported in defined(MODULES[module])[0], f"{name}: {imported} is not defined in {module}"
                graph[name].add(module)
    graphlib.TopologicalSorter(graph).prepare()


def test_no_file_is_long_and_none_is_a_drawer():
    for path in [*CPP, *PYTHON, *(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py")]:
        text = path.read_text()
        assert text.count("\n") <= 350, f"{path}: split it by noun"
        assert not re.search(r"utils|helpers|common|manager", path.stem), path
    kernels = (ROOT / "CMakeLists.txt").read_text()
    for flag in ("-march=native", "-ffast-math"):
        assert not re.search(rf"^[^#]*{flag}", kernels, re.MULTILINE)


def test_stub_lists_every_option_of_the_core():
    stub = ast.parse((ROOT / "python/hardmine/_core.pyi").read_text())
    stubbed = {}
    for function in (f for f in stub.body if isinstance(f, ast.FunctionDef)):
        stubbed.setdefault(function.name, []).append(arguments(function))
    classes = {c.name: c for c in stub.body if isinstance(c, ast.ClassDef)}
    for name, overloads in stubbed.items():
        assert documented(name, getattr(_core, name)) == overloads, name
    (init,) = (f for f in classes["Filter"].body if isinstance(f, ast.FunctionDef))
    assert documented("__init__", _core.Filter.__init__) == [arguments(init)]
    assert {n for n in vars(_core) if not n.startswith("_")} == {*stubbed, *classes, "openmp", "most_counted"}


def arguments(function):
    return [a.arg for a in [*function.args.args, *function.args.kwonlyargs] if a.arg != "self"]


def documented(name, function):
    """The names of the arguments of each overload, as pybind11 writes them in the docstring."""
    signatures = re.findall(rf"^(?:\d+\. )?{name}\((?!\*args)(.*)\) ->", function.__doc__, re.MULTILINE)
    return [[a for a in re.findall(r"(\w+): ", signature) if a not in ("self", "any")] for signature in signatures]


def test_metric_names_agree():
    from typing import get_args

    import reference
    from hardmine.search.metric import METRICS, Metric

    assert METRICS == get_args(Metric) == (*reference.METRICS, "hamming")


def test_names_and_their_modules_are_those_of_the_stub():
    """`__init__.pyi` imports what `__init__.py` will import when it is asked."""
    stub = ast.parse((ROOT / "python/hardmine/__init__.pyi").read_text())
    imports = [(node.module, alias) for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert all(alias.name == alias.asname for _, alias in imports)
    names = {alias.name: getattr(importlib.import_module(module), alias.name) for module, alias in imports}
    assert sorted(names) == sorted([*hardmine.__all__, "_core"])
    assert all(getattr(hardmine, name) is found for name, found in names.items())
    assert set(hardmine.__all__) <= set(dir(hardmine))
    with pytest.raises(AttributeError, match="module 'hardmine' has no attribute 'topk2'"):
        hardmine.topk2  # noqa: B018


def test_version_is_in_the_changelog():
    assert f"## {hardmine.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_ci_runs_the_lines_of_the_readme():
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci/run").read_text()
    line = 'pip install ".[test]" && pytest -n auto'
    assert f"\n{line}\n" in readme
    assert f"\n{line}\n" in ci
    assert '\npip install ".[demo]" && hardmine demo\n' in readme


def test_what_the_readme_shows_and_points_to_is_here():
    paths = [path for path in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()) if "://" not in path]
    assert "docs/hardmine-demo.png" in paths
    for path in paths:
        assert (ROOT / path).is_file(), path
        if (ROOT / ".git").exists():
            ignored = subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT)
            assert ignored.returncode == 1, f"{path} is ignored, and would not be in a clone"


def test_readme_examples():
    text = (ROOT / "README.md").read_text()
    if not torch:  # the one block that trains
        text = "".join(part for part in re.split(r"(```python\n.*?```)", text, flags=re.DOTALL) if "import torch" not in part)
    examples = doctest.DocTestParser().get_doctest(text, {}, "README.md", "README.md", 0)
    outcome = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples)
    assert outcome.attempted >= 8 and outcome.failed == 0


@pytest.mark.parametrize("name", [name for name, path in MODULES.items() if ">>> " in path.read_text()])
def test_docstring_examples(name):
    for package in ("torch", "dask"):
        if name.startswith(f"hardmine.{package}"):
            pytest.importorskip(package, reason=f"needs {package}")
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.attempted >= 2 and outcome.failed == 0
