"""What must hold of mkexplorer's run time with the installed torch: ``python -m tests.inductor_cases FOLDER [CASE …]``.

A case is a function here that is called ``case_…``, in the module of its subject.
"""
