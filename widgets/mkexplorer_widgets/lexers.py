"""Which language a text is written in, by its file's ending or its compile stage; nothing is guessed from the text.

>>> language_of("cxyz.py"), language_of("ttgir"), language_of("kernel.cubin.sass")
('python', 'ttgir', 'sass')
"""

from __future__ import annotations

LANGUAGES = ("python", "ttir", "ttgir", "llir", "ptx", "sass", "cpp", "json", "text")

_BY_ENDING = {
    **{language: language for language in LANGUAGES},
    "py": "python",
    "source": "ttir",
    "mlir": "ttir",
    "ll": "llir",
    "cc": "cpp",
    "cu": "cpp",
    "cuh": "cpp",
    "cuda": "cpp",
    "h": "cpp",
    "hpp": "cpp",
    "best_config": "json",
}


def language_of(name: str) -> str:
    """One of `LANGUAGES` for a file name, a path or a stage ('ttir', 'llir', 'sass' …); ``text`` for any other."""
    ending = name.rsplit("/", 1)[-1].rsplit(".", 1)[-1]
    return _BY_ENDING.get(ending.lower(), "text")
