"""Scenarios that found something once: each is played by every run."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ingest.simulator import faults as f
from ingest.simulator import recorder_faults as r
from tests.faults.campaign.scenario import (
    Act,
    Busy,
    Crash,
    Damage,
    Jump,
    Narrow,
    Outage,
    Picky,
    Room,
    Scenario,
    Sick,
    Terminate,
)

FOUND: Mapping[str, Scenario] = MappingProxyType(
    {
        "a Retry-After date read by a clock that is a day off was waited for an hour": Scenario(
            0, (Act(0.0, Jump(-86_400.0)), Act(0.0, Outage("429 date", 2.0)))
        ),
        "a failing disk hides at the start that the file is damaged": Scenario(
            59,
            (
                Act(6.9, Outage("refused", 90.0)),
                Act(22.9, Sick("failing", 32.0)),
                Act(24.2, Outage("401", 74.0)),
                Act(30.2, Damage(0.484619140625, 1.0)),
            ),
            Room(300, 4_000, 1_500, 100),
            2.0,
        ),
        "a crash between an eviction and the word of it left the points counted nowhere": Scenario(
            0,
            (
                Act(0.0, Busy(1, 1)),
                Act(0.0, Busy(1, 1)),
                Act(2.9, Narrow(1, 1.0)),
                Act(14.9, Sick("read-only", 1.0)),
                Act(15.2, Outage("200 page", 15.0)),
                Act(16.2, Sick("read-only", 9.0)),
                Act(26.2, Outage("200 page", 104.0)),
                Act(28.2, Crash(30, 1.0)),
            ),
            Room(link=2_000, disk=4_000, memory=20_000, batch=20),
            8.0,
        ),
        "damage made another number of a row's count": Scenario(
            0,
            (Act(3.6, Outage("200 page", 7.0)), Act(8.6, Damage(0.2744140625, 1.0))),
            Room(2_000, 1_000_000, 20_000, 100),
            8.0,
        ),
        "a batch in hand from memory was lost in a crash, with later marks on disk": Scenario(
            6037,
            (
                Act(27.9, Sick(how="failing", seconds=20.0)),
                Act(30.9, f.SlowAnswers(delay=4.0, seconds=6.0)),
                Act(35.1, Outage(answer="hangs", seconds=95.0)),
                Act(37.1, Crash(steps=322, down=15.0)),
                Act(58.2, Outage(answer="refused", seconds=116.0)),
                Act(70.2, Crash(steps=170, down=3.0)),
            ),
            Room(60, 1000000, 1500, 100),
            8.0,
        ),
        "a ledger that could be read only late took every entity for gone": Scenario(
            65536,
            (
                Act(2.1, f.Malformed(what="shape")),
                Act(17.1, Sick(how="failing", seconds=46.0)),
                Act(27.0, Sick(how="full", seconds=47.0)),
                Act(27.0, Sick(how="full", seconds=47.0)),
                Act(30.0, Jump(seconds=-30.0)),
                Act(30.0, Jump(seconds=-30.0)),
                Act(32.1, Terminate(down=7.0)),
                Act(38.8, f.RefuseAuth(seconds=6.0)),
            ),
            Room(60, 1000000, 20000, 20),
            2.0,
        ),
        "a file was set aside with points that its ledger took for stored": Scenario(
            34259,
            (
                Act(0.0, Outage(answer="503", seconds=49.0)),
                Act(2.8, Crash(steps=340, down=11.0)),
                Act(7.1, Sick(how="slow", seconds=54.0)),
                Act(13.0, Damage(where=0.2076416015625, down=3.0)),
                Act(21.1, f.SlowAnswers(delay=5.0, seconds=13.0)),
                Act(41.0, Outage(answer="refused", seconds=63.0)),
                Act(44.4, Outage(answer="hangs", seconds=85.0)),
                Act(48.4, Sick(how="full", seconds=50.0)),
                Act(55.0, Crash(steps=333, down=14.0)),
            ),
            Room(2000, 1000000, 20000, 5),
            8.0,
        ),
        "marks of this run were taken for those of the last": Scenario(
            860,
            (
                Act(36.7, Picky(way="nameless", every=2, seconds=113.0)),
                Act(39.8, f.Restart(down=7.0, starting=4.0, kill=False)),
                Act(47.6, Sick(how="failing", seconds=28.0)),
                Act(47.6, Sick(how="failing", seconds=28.0)),
                Act(49.7, Sick(how="read-only", seconds=57.0)),
                Act(53.7, Terminate(down=11.0)),
                Act(63.7, f.Drop(which="bulk")),
                Act(64.6, f.Stall(seconds=26.0, which="all")),
                Act(64.6, f.Stall(seconds=26.0, which="all")),
            ),
            Room(60, 1000000, 1500, 100),
            8.0,
        ),
        "what had been filled and was dropped again counted as filled": Scenario(
            65536,
            (Act(1.0, Outage("hangs", 88.0)), Act(45.2, Narrow(9, 4.0)), Act(58.0, Outage("refused", 44.0))),
            Room(2000, 4_000, 20_000, 100),
            8.0,
        ),
        "what had come back live and was dropped counted as told": Scenario(
            5373,
            (
                Act(5.4, f.Drop(which="bulk")),
                Act(18.4, r.PartialHistory(seconds=45.0, part=0.0)),
                Act(26.9, Sick(how="full", seconds=39.0)),
                Act(37.6, Outage(answer="429 date", seconds=45.0)),
                Act(37.9, f.Restart(down=1.0, starting=1.0, kill=True)),
                Act(39.6, Sick(how="full", seconds=17.0)),
            ),
            Room(300, 30_000, 1_500, 100),
            8.0,
        ),
        "a clock that was set forward had the recorder believed too early": Scenario(
            98,
            (
                Act(19.0, Outage(answer="hangs", seconds=63.0)),
                Act(24.9, Outage(answer="answer lost", seconds=91.0)),
                Act(26.0, Outage(answer="refused", seconds=53.0)),
                Act(33.8, f.AnswerError("supported_features", 2.0, "unknown_command")),
                Act(38.8, r.Commits(interval=30.0)),
                Act(44.2, Outage(answer="slow", seconds=105.0)),
                Act(52.9, Sick(how="read-only", seconds=32.0)),
                Act(56.2, Jump(seconds=45.0)),
            ),
            Room(2000, 4_000, 20_000, 5),
            8.0,
        ),
        "a quiet home never wrote down what a failing file had left undone": Scenario(
            60751,
            (
                Act(20.4, Sick(how="failing", seconds=21.0)),
                Act(20.4, Sick(how="failing", seconds=21.0)),
                Act(20.9, f.Burst(count=4200, entities=50)),
            ),
            Room(300, 4000, 20000, 100),
            8.0,
        ),
        "a frame that could not be read took a stalled connection's changes with it": Scenario(
            9044,
            (
                Act(4.8, Sick(how="failing", seconds=48.0)),
                Act(18.6, Narrow(lines=22, seconds=35.0)),
                Act(22.8, f.Stall(seconds=25.0, which="all")),
                Act(29.3, Busy(count=193, batch=20)),
                Act(31.0, Sick(how="failing", seconds=48.0)),
                Act(34.6, Sick(how="failing", seconds=48.0)),
                Act(37.7, Sick(how="slow", seconds=31.0)),
                Act(46.0, f.Malformed(what="json")),
                Act(46.7, f.HalfOpen(which="bulk")),
            ),
            Room(2000, 30000, 20000, 20),
            2.0,
        ),
        "what gave way when memory came back was told too late": Scenario(
            35387,
            (
                Act(1.7, Picky(way="2 conflict in several shards", every=9, seconds=79.0)),
                Act(12.7, Jump(seconds=-30.0)),
                Act(33.4, Outage(answer="404", seconds=39.0)),
                Act(51.4, Sick(how="full", seconds=6.0)),
                Act(58.8, Sick(how="failing", seconds=26.0)),
            ),
            Room(300, 4000, 1500, 20),
            2.0,
        ),
        "a name that damage made unreadable ended the service": Scenario(
            1022,
            (
                Act(0.9, Outage("429 seconds", 67.0)),
                Act(9.2, f.Burst(4200, 50)),
                Act(16.1, Outage("429 seconds", 113.0)),
                Act(26.1, Damage(0.99951171875, 3.0)),
                Act(44.2, Sick("full", 35.0)),
                Act(46.2, Narrow(43, 41.0)),
                Act(49.2, f.HalfOpen("bulk")),
                Act(62.2, Sick("read-only", 30.0)),
            ),
            Room(60, 4000, 20000, 20),
            2.0,
        ),
        "the oracle did not know how large a batch of an earlier life was, and claims went around the spool's limit": Scenario(
            434,
            (
                Act(0.0, Busy(461, 200)),
                Act(0.1, Narrow(5, 10.0)),
                Act(0.3, Busy(461, 200)),
                Act(0.7, Terminate(1.0)),
                Act(1.1, Terminate(1.0)),
            ),
            Room(300, 4000, 20000, 100),
            8.0,
        ),
        "the templates were complained of for ever when the registries could be read again": Scenario(
            1,
            (
                Act(20.8, f.HalfOpen("live")),
                Act(20.8, f.HalfOpen("live")),
                Act(50.3, f.AnswerError("config/entity_registry/list", 22.0, "unknown_command", "Unknown command.")),
                Act(58.7, Narrow(27, 54.0)),
                Act(61.7, Damage(1.8417835235595703e-05, 1.0)),
                Act(64.3, r.RecorderBehind(29.0)),
            ),
            Room(60, 1_000_000, 1_500, 5),
            8.0,
        ),
        "of a batch that was taken in part, and dropped, the history wrote over what was stored": Scenario(
            0,
            (
                Act(0.5, Narrow(1, 40.0)),
                Act(1.0, Busy(300, 20)),
                Act(1.1, Busy(300, 20)),
                Act(3.0, Busy(300, 20)),
            ),
            Room(2_000, 4_000, 20_000, 20),
            8.0,
        ),
        "the oracle did not see that the ledger could be written again": Scenario(
            43995,
            (
                Act(16.8, f.RefuseAuth(29.0)),
                Act(18.9, Sick("failing", 28.0)),
                Act(24.5, Narrow(9, 37.0)),
                Act(27.9, f.HugeFrame(2_100_000, "bulk")),
                Act(30.5, Sick("failing", 30.0)),
                Act(59.1, Outage("503", 47.0)),
                Act(61.1, Sick("failing", 36.0)),
            ),
            Room(2_000, 1_000_000, 1_500, 5),
            2.0,
        ),
    }
)
