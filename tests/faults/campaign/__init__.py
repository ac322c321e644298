"""The fault campaign: whole scenarios of faults, drawn by Hypothesis, played on the real pipeline, judged by an oracle.

    scenario    what happens and when, as values: a failing one is printed, and can be pasted into `test_campaign.py`
    database    a database in memory, with the answers of real ones, and how it may be out of sorts
    disk        the state file, on a disk that is full, read-only, failing or slow
    life        one life of the service, from its start to its stop or its crash
    world       the home, the wire, the database, the disk and the clocks around it; plays a scenario
    oracle      what must hold at every look, after every life and at the end
    found       scenarios that found something once
    mutants     bugs planted into the product: the campaign has to find each of them

Everything is real but the network, the database and time: Home Assistant is the simulator, the spool is a file.
"""
