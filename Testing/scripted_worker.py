"""A worker that does what a test says, in place of `AttnSegLib.worker.client.Worker`."""

import numpy as np

from AttnSegLib.inference.prediction import AttentionNumbers
from AttnSegLib.results.measures import Measure
from AttnSegLib.results.slices_to_check import SliceToCheck
from AttnSegLib.worker import messages

NOTHING = AttentionNumbers()


class Job:
    """As `worker.client.Job`."""

    def __init__(self, number, shape, titles):
        self.number = number
        self.label_map = np.zeros(shape, np.uint8)
        self.attention = {title: np.full(shape, 0.75, np.float16) for title in titles}
        self.released = False

    def release(self):
        self.released = True


class ScriptedWorker:
    """As `worker.client.Worker`, but the test says what happens."""

    def __init__(self, _python=None):
        self.requests = []
        self.job = None
        self.jobs = self.cancels = self.closed = 0
        self._said = []

    @property
    def is_busy(self):
        return self.job is not None

    def segment(self, volume, request):
        self.requests.append(request)
        return self._begin(volume.voxels.shape, request.options.attention)

    def compare(self, reference, prediction, spacing):
        self.compared = reference, prediction, spacing
        return self._begin((1, 1, 1), ())

    def check(self):
        return self._begin((1, 1, 1), ())

    def _begin(self, shape, titles):
        self.jobs += 1
        self.job = Job(self.jobs, shape, titles)
        return self.job

    def poll(self):
        now, self._said = self._said, []
        return now

    def cancel(self):
        self.cancels += 1

    def close(self):
        self.closed += 1
        self.job = None

    def say(self, message):
        self._said.append(message)
        if not isinstance(message, messages.Ready | messages.SlicesDone | messages.Notice):
            self.job = None

    def finish(self, label_map=None, notices=(), device="cpu (2 threads)", volume_ml=12.34, numbers=NOTHING):
        """The run ends well."""
        job = self.job
        if label_map is not None:
            job.label_map[...] = label_map
        measure = Measure("left_atrium", "Left atrium", volume_ml, 3, 100.0, 7.0, (0.0, 400.0))
        doubts = (SliceToCheck(3, 0.75, 0.1), SliceToCheck(1, 0.2, 0.0))
        errors = {one.index: one.expected_error for one in doubts}
        done = len(job.label_map)
        self.say(messages.Result(job.number, 1.5, 0.1, done, 0, device, notices, errors, (measure,), doubts, numbers))
