"""Which files of `training` a module needs: what it imports when it is imported, and what that imports."""

import ast

TEACHES = ("training.teach", "training.datasets.collection")  # the reader is found by its name
RECIPES = ("afnet", "anunet", "common", "eccamunet", "msdualguided", "omeganet")  # what `made_recipe` begins with


def needed_to_teach(root):
    """Paths in a checkout of all that the panel's teaching needs of `training`."""
    found = {}
    for module in TEACHES:
        _follow(root, module, found)
    return set(found.values()) | {f"training/recipes/modern/{name}.toml" for name in RECIPES}


def _follow(root, module, found):
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        name = ".".join(parts[:length])
        path = _file_of(root, name)
        if path is None or name in found:
            continue
        found[name] = path.relative_to(root).as_posix()
        for imported in _imports(ast.parse(path.read_text(encoding="utf-8"))):
            if imported.split(".")[0] == "training":
                _follow(root, imported, found)


def _file_of(root, module):
    path = root / module.replace(".", "/")
    return next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None)


def _imports(tree):
    """Names of modules, and of what may be one; not those that only types, or a function that is called, need."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{one.name}" for one in node.names)
        elif not isinstance(node, ast.FunctionDef) and not _only_types(node):
            yield from _imports(node)


def _only_types(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
