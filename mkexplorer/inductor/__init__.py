"""mkexplorer's run time for the multi-kernels of ``torch.compile``.

``mkexplorer.install()`` puts it in the place of Inductor's own, ``mkexplorer.uninstall()`` takes it away again, and
``with mkexplorer.installed():`` does both. It turns multi-kernels on, unless the program or its environment says
otherwise. What a program has loaded before keeps the run time that it was loaded with.

A choice rests on a race on the real call's arguments, and is kept with what it rests on where torch itself keeps its
picks, so that either run time reads the picks of the other. After the choice a call goes straight to the sub-kernel's
launcher. ``install`` takes

- ``measure``: "once" measures where there is no pick, or where evidence speaks against the pick that there is; "always"
  measures once per process, and leaves only what a person pinned; "never" takes the pick, or else the first sub-kernel.
- ``report``: prints at exit what was chosen while it was wanted, and what torch's own rule would have lost; asking that
  rule takes time.

`install` and `releases` import no torch. It is there when Inductor looks up the classes that `call` and `size_hints`
put in the place of its own. Besides these it touches the setting that turns multi-kernels on, and two functions of
torch's code generation that are wrong once they are on (`generating`).
"""
