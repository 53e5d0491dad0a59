"""The input-output manager behind `slicer.util.load...` and `slicer.util.save...`."""

from __future__ import annotations

from pathlib import Path

_TYPES = {
    ".seg.nrrd": "SegmentationFile",
    ".mrb": "SceneFile",
    ".mrml": "SceneFile",
    ".mrk.json": "MarkupsFile",
    ".stl": "ModelFile",
    ".vtp": "ModelFile",
    ".csv": "TableFile",
    ".tsv": "TableFile",
    ".ctbl": "ColorTableFile",
    ".txt": "TextFile",
    ".h5": "TransformFile",
    ".tfm": "TransformFile",
}
_CLASSES = {
    "ModelFile": "vtkMRMLModelNode",
    "TableFile": "vtkMRMLTableNode",
    "ColorTableFile": "vtkMRMLColorTableNode",
    "TextFile": "vtkMRMLTextNode",
    "TransformFile": "vtkMRMLTransformNode",
}


class InputOutputManager:
    """Reads and writes by the module logics and storage nodes of the wheel; a failure is False, as in Slicer."""

    def __init__(self, application):
        self._application = application

    def fileType(self, filename):
        name = str(filename).lower()
        return next((kind for ending, kind in _TYPES.items() if name.endswith(ending)), "VolumeFile")

    def fileWriterFileType(self, node):
        classes = {"VolumeFile": "vtkMRMLVolumeNode", "SegmentationFile": "vtkMRMLSegmentationNode", **_CLASSES}
        return next((kind for kind, name in classes.items() if node.IsA(name)), "NodeFile")

    def loadNodes(self, kind, properties, loaded=None, messages=None):  # noqa: ARG002 - Slicer's signature
        """Load the file `properties["fileName"]`; nodes are added to the vtkCollection `loaded`."""
        path = str(properties["fileName"])
        if not Path(path).is_file():
            return False
        if kind == "SceneFile":
            return self._load_scene(path, bool(properties.get("clear", True)))
        name = properties.get("name") or Path(path).name.split(".")[0]
        node = self._load(kind, path, name, properties)
        if node is not None and loaded is not None:
            loaded.AddItem(node)
        return node is not None

    def saveNodes(self, kind, properties, messages=None):  # noqa: ARG002 - Slicer's signature
        """Write the node `properties["nodeID"]`, or the whole scene, into `properties["fileName"]`."""
        scene, path = self._application.mrmlScene(), str(properties["fileName"])
        if kind == "SceneFile":
            scene.SetURL(path)
            scene.SetRootDirectory(str(Path(path).resolve().parent))
            return bool(scene.WriteToMRB(path) if path.endswith(".mrb") else scene.Commit(path))
        node = scene.GetNodeByID(properties["nodeID"])
        if not node.AddDefaultStorageNode(path):
            return False
        storage = node.GetStorageNode()
        storage.SetFileName(path)
        if "useCompression" in properties:
            storage.SetUseCompression(int(properties["useCompression"]))
        return bool(storage.WriteData(node))

    def _load_scene(self, path, clear):
        scene = self._application.mrmlScene()
        if path.endswith(".mrb"):
            return bool(scene.ReadFromMRB(path, clear))
        scene.SetURL(path)
        return bool(scene.Connect() if clear else scene.Import())

    def _load(self, kind, path, name, properties):
        logic = self._application.moduleLogic
        if kind == "VolumeFile":
            flags = ("labelmap", "center", "singleFile", "autoWindowLevel", "discardOrientation")
            defaults = {"autoWindowLevel": True}
            options = sum(2**n for n, flag in enumerate(flags) if properties.get(flag, defaults.get(flag, False)))
            return logic("Volumes").AddArchetypeVolume(path, name, options)
        if kind == "SegmentationFile":
            return logic("Segmentations").LoadSegmentationFromFile(path, True, properties.get("name", ""), None)
        if kind == "MarkupsFile":
            return self._application.mrmlScene().GetNodeByID(logic("Markups").LoadMarkups(path, name) or "")
        return self._load_by_storage_node(_CLASSES[kind], path, name) if kind in _CLASSES else None

    def _load_by_storage_node(self, class_name, path, name):
        scene = self._application.mrmlScene()
        node = scene.AddNewNodeByClass(class_name, scene.GenerateUniqueName(name))
        node.AddDefaultStorageNode(path)
        if node.GetStorageNode().ReadData(node):
            return node
        scene.RemoveNode(node.GetStorageNode())
        scene.RemoveNode(node)
        return None
