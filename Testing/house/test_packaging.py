"""The extension as Slicer packages it: by real CMake with a Slicer package made for the test, and used from there."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from closure import needed_to_teach
from slicer_stand_in.fixtures import start_qt

from AttnSegLib import networks
from AttnSegLib.models.catalog import load_models
from AttnSegLib.models.places import resource_folder

ROOT = Path(__file__).parents[2]
MODULES = "lib/Slicer-5.99/qt-scripted-modules"
BUNDLED = "anunet-left_atrium-mr"
CMAKE = shutil.which("cmake", path=str(Path(sys.executable).parent)) or shutil.which("cmake")

# What Slicer's macros do with the lists, as far as files are concerned: sources are checked, each goes to the folder of
# scripted modules (WITH_SUBDIR: to a folder in it with the name of the source folder) and there to the path as written.
SLICER_CONFIG = """
set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/Use.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/Empty.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/Metadata.cmake)
"""
USE_FILE = """
set(MODULES_FOLDER lib/Slicer-5.99/qt-scripted-modules)
set(BUILD_TESTING ON)

macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MY "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(MY_UNPARSED_ARGUMENTS OR NOT DEFINED MY_NAME OR NOT DEFINED MY_SCRIPTS)
    message(FATAL_ERROR "bad arguments: ${MY_UNPARSED_ARGUMENTS}")
  endif()
  set(target ${CMAKE_BINARY_DIR}/${MODULES_FOLDER})
  set(installed ${target}/)
  if(MY_WITH_SUBDIR)
    get_filename_component(name ${CMAKE_CURRENT_SOURCE_DIR} NAME)
    set(target ${target}/${name})
    set(installed ${target})
  endif()
  foreach(file ${MY_SCRIPTS} ${MY_RESOURCES})
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
      message(FATAL_ERROR "nonexistent file ${file}")
    endif()
    configure_file(${CMAKE_CURRENT_SOURCE_DIR}/${file} ${target}/${file} COPYONLY)
  endforeach()
  install(DIRECTORY ${installed} DESTINATION ${MODULES_FOLDER} COMPONENT RuntimeLibraries USE_SOURCE_PERMISSIONS)
endmacro()

macro(slicer_add_python_unittest)
  cmake_parse_arguments(MY "" "TESTNAME_PREFIX;SCRIPT" "SLICER_ARGS" ${ARGN})
  file(APPEND ${CMAKE_BINARY_DIR}/tests.txt "${MY_SCRIPT}\\n")
endmacro()
"""
METADATA = """
foreach(name HOMEPAGE CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  file(APPEND ${CMAKE_BINARY_DIR}/metadata.txt "${name}=${EXTENSION_${name}}\\n")
endforeach()
"""
# Around the extension, so that its project needs no compiler; and so that nothing may rely on being the outermost.
AROUND = """
cmake_minimum_required(VERSION 3.16.3...3.28)
project(Around NONE)
macro(project name)
  _project(${name} NONE)
endmacro()
add_subdirectory("${EXTENSION}" extension)
"""


class Broken(AssertionError):
    """CMake refuses."""


def install(source, folder):
    """Configure and install an extension; the folder in which its module then lies."""
    around, package = folder / "around", folder / "slicer"
    for file, text in (
        (around / "CMakeLists.txt", AROUND),
        (package / "SlicerConfig.cmake", SLICER_CONFIG),
        (package / "Use.cmake", USE_FILE),
        (package / "Empty.cmake", ""),
        (package / "Metadata.cmake", METADATA),
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    configure = [f"-DEXTENSION={source.as_posix()}", f"-DSlicer_DIR={package.as_posix()}"]
    without_make = ["-G", "Unix Makefiles", f"-DCMAKE_MAKE_PROGRAM={Path(CMAKE).as_posix()}"]
    cmake("-S", around, "-B", folder / "build", "-Wno-dev", *without_make, *configure)
    cmake("--install", folder / "build", "--prefix", folder / "installed")
    return folder / "installed" / MODULES


def cmake(*arguments):
    done = subprocess.run([CMAKE, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken(done.stderr)


def python(code, modules, **variables):
    """Run code as Slicer's Python would: nothing but the installed modules on the path. Returns what it printed."""
    environment = os.environ | {"PYTHONPATH": str(modules), "ATTNSEG_MODELS": str(modules / "none")} | variables
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=modules, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def files_in(folder):
    """Paths of the files in a folder that are not made by tools."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {p.as_posix() for p in paths if not any(part[0] == "." or part == "__pycache__" for part in p.parts)}


def expected_files(source):
    """What must be packaged: all of the library, the module's Python, what teaches, and all resources."""
    library = {f"AttnSegLib/{name}" for name in files_in(source / "AttnSegLib")}
    module = {name for name in files_in(source / "AttnSeg") if name.endswith(".py")}
    taught = needed_to_teach(source)
    return library | module | taught | {f"Resources/{name}" for name in files_in(source / "Resources")}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of scripted modules of a Slicer with our extension."""
    return install(ROOT, tmp_path_factory.mktemp("a folder with blanks"))


def test_every_file_is_packaged_and_nothing_else(installed):
    assert files_in(installed) == expected_files(ROOT)


def test_the_workflow_packages_the_same(installed, tmp_path):
    command = [sys.executable, str(ROOT / ".github/slicer/package.py"), str(tmp_path)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert files_in(Path(printed.strip())) == files_in(installed)


def test_every_file_compiles(installed):
    for file in installed.rglob("*.py"):
        compile(file.read_text(encoding="utf-8"), file, "exec")


@pytest.mark.slow
def test_the_library_works_where_slicer_has_it(installed):
    code = (
        "import json; from AttnSegLib import networks; from AttnSegLib.models import catalog; "
        "from AttnSegLib.inference import predictor; from AttnSegLib.inference.checks import self_check; "
        "network = networks.create('anunet'); models = catalog.load_models(); "
        "predictor.SlicePredictor.from_model(models[0]); "
        "print(json.dumps([catalog.__file__, networks.network_names(), [m.id for m in models]]))"
    )
    file, names, models = json.loads(python(code, installed))
    assert Path(file).is_relative_to(installed)
    assert names == networks.network_names()
    assert models == [spec.id for spec in load_models(resource_folder("Models"))]


@pytest.mark.slow
def test_the_module_opens_where_slicer_has_it(installed):
    start_qt()
    code = (
        f"import sys; sys.path.insert(1, {str(ROOT / 'Testing')!r}); "
        "from slicer_stand_in import gui; gui.start(); "
        f"gui.open_module({str(installed / 'AttnSeg.py')!r}); "
        "import AttnSegPanel, AttnSegLib, slicer; "
        "print(AttnSegPanel.__file__, AttnSegLib.__file__, sep='\\n')"
    )
    for file in python(code, installed).splitlines()[-2:]:
        assert Path(file).is_relative_to(installed)


def test_icon_and_form_are_found_where_slicer_looks(installed):
    """`resourcePath` and the module's icon: in the folder Resources beside AttnSeg.py."""
    for name in ("Icons/AttnSeg.svg", "Icons/AttnSeg.png", "UI/AttnSeg.ui"):
        assert (installed / "Resources" / name).is_file()
    found = python("from AttnSegLib.models.places import resource_folder; print(resource_folder('UI'))", installed)
    assert Path(found.strip()) == installed / "Resources" / "UI"


def test_the_self_test_is_registered(installed):
    scripts = (installed.parents[3] / "build" / "tests.txt").read_text().split("\n")
    assert [Path(script).resolve() for script in scripts if script] == [ROOT / "AttnSeg" / "AttnSeg.py"]
    assert "class AttnSegTest(ScriptedLoadableModuleTest)" in (ROOT / "AttnSeg" / "AttnSeg.py").read_text()


# --- The tests above would notice ---------------------------------------------------------------------------------


def copy_small(source, target):
    """A file, but weights and volumes, 60 MB of them, without what is in them."""
    if Path(source).suffix in (".safetensors", ".nrrd"):
        Path(target).touch()
    else:
        shutil.copy(source, target)


@pytest.fixture
def a_copy(tmp_path):
    """The parts of the repository that CMake reads."""
    for name in ("AttnSeg", "AttnSegLib", "Resources", "Testing", "training"):
        ignored = shutil.ignore_patterns("__pycache__", ".*", "slicer_stand_in", "test_*.py")
        shutil.copytree(ROOT / name, tmp_path / "copy" / name, ignore=ignored, copy_function=copy_small)
    shutil.copy(ROOT / "CMakeLists.txt", tmp_path / "copy")
    return tmp_path / "copy"


def edit(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "use"),
    [
        ("AttnSegLib/networks/blocks.py", "from AttnSegLib import networks; networks.create('anunet')"),
        ("AttnSegLib/errors.py", "import AttnSegLib.models.catalog"),
        (f"Resources/Models/{BUNDLED}/card.json", f"from AttnSegLib.models.catalog import *; find_model({BUNDLED!r})"),
        (
            f"Resources/Models/{BUNDLED}/weights.safetensors",
            "from AttnSegLib.models import catalog; from AttnSegLib.inference import predictor;"
            f"predictor.SlicePredictor.from_model(catalog.find_model({BUNDLED!r}))",
        ),
    ],
)
def test_a_file_that_is_not_listed_is_noticed(a_copy, tmp_path, line, use):
    edit(a_copy / "CMakeLists.txt", f"  {line}\n", "")
    modules = install(a_copy, tmp_path)
    assert line in expected_files(a_copy) - files_in(modules)
    with pytest.raises(AssertionError, match=r"No module|There is no model|are missing"):
        python(use, modules)


def test_a_file_of_the_panel_that_is_not_listed_is_noticed(a_copy, tmp_path):
    edit(a_copy / "AttnSeg" / "CMakeLists.txt", "  AttnSegPanel/panel.py\n", "")
    assert "AttnSegPanel/panel.py" in expected_files(a_copy) - files_in(install(a_copy, tmp_path))


def test_a_new_file_is_noticed(a_copy, tmp_path):
    (a_copy / "AttnSegLib" / "new.py").touch()
    (a_copy / "Resources" / "new.txt").touch()
    missing = expected_files(a_copy) - files_in(install(a_copy, tmp_path))
    assert {"AttnSegLib/new.py", "Resources/new.txt"} <= missing


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("  AttnSegLib/errors.py\n", "  AttnSegLib/error.py\n", "nonexistent file"),
        ("  SCRIPTS\n    ${LIBRARY", "  SCRIPTSS\n    ${LIBRARY", "bad arguments"),
        ("add_subdirectory(AttnSeg)", "add_subdirectory(AttnSegg)", "AttnSegg"),
    ],
)
def test_a_wrong_list_stops_cmake(a_copy, tmp_path, old, new, reason):
    edit(a_copy / "CMakeLists.txt", old, new)
    with pytest.raises(Broken, match=reason):
        install(a_copy, tmp_path)


# --- What CMake tells the Extensions Index (see also test_extensions_index.py) ---------------------------------------


def test_the_metadata_in_the_cmake_list(installed):
    lines = (installed.parents[3] / "build" / "metadata.txt").read_text().splitlines()
    metadata = dict(line.split("=", 1) for line in lines)
    assert metadata["DEPENDS"] == "PyTorch"
    text = (ROOT / "CMakeLists.txt").read_text()
    assert re.findall(r"project\s*\(\s*([^\s)]+)", text)[0] == "AttnSeg"
    entry = json.loads((ROOT / "AttnSeg.json").read_text())
    assert metadata["HOMEPAGE"] == entry["scm_url"]
    raw = entry["scm_url"].replace("github.com", "raw.githubusercontent.com") + "/main/"
    for name in ("ICONURL", "SCREENSHOTURLS"):
        (urls,) = re.findall(rf'^set\(EXTENSION_{name} "([^"]+)"\)$', text, re.MULTILINE)
        for url in urls.split():
            assert url.startswith(raw)
            assert (ROOT / url.removeprefix(raw)).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
