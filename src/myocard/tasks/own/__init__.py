from pathlib import Path


class OwnTask:
    @classmethod
    def open(cls, folder: Path):
        raise NotImplementedError
