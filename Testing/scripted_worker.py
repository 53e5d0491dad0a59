"""A worker that does what a test says, in place of `AttnSegLib.worker.client.Worker`."""

import numpy as np

from AttnSegLib.worker import events


class Job:
    """As `worker.client.Job`."""

    def __init__(self, shape, titles):
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
        self.cancels = self.closed = 0
        self._events = []

    @property
    def is_busy(self):
        return self.job is not None

    def segment(self, volume, request):
        self.requests.append(request)
        self.job = Job(volume.voxels.shape, request.options.attention)
        return self.job

    def compare(self, reference, prediction, spacing):
        self.compared = reference, prediction, spacing
        self.job = Job((1, 1, 1), ())
        return self.job

    def check(self):
        self.job = Job((1, 1, 1), ())
        return self.job

    def poll(self):
        now, self._events = self._events, []
        return now

    def cancel(self):
        self.cancels += 1

    def close(self):
        self.closed += 1
        self.job = None

    def say(self, event):
        self._events.append(event)
        if not isinstance(event, (events.Ready, events.SlicesDone)):
            self.job = None

    def finish(self, label_map=None, notices=()):
        """The run ends well."""
        job = self.job
        if label_map is not None:
            job.label_map[...] = label_map
        measure = events.Measure("left_atrium", "Left atrium", 12.34, 3, 100.0, 7.0)
        doubts = (events.SliceToCheck(3, 0.75, 0.1), events.SliceToCheck(1, 0.2, 0.0))
        self.say(events.Result(job, 1.5, 0.1, len(job.label_map), 0, "cpu (2 threads)", notices, (measure,), doubts))
