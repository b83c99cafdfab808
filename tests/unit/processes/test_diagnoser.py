"""Further questions: one after the other, until one is answered well; never many at a time."""

from haagent.config.model import HttpCheck
from haagent.health.diagnosis import Question
from haagent.health.effects import Diagnose
from haagent.health.probe import Probe, ProbeResult
from haagent.health.transcript import Transcript
from haagent.processes.diagnoser import AT_A_TIME, WAITING, Diagnoser

CHECK = HttpCheck(name="page")
FAILED = Transcript(passed=False, detail="HTTP 404, wanted 200")
QUESTIONS = tuple(Question("host", HttpCheck(name="page", host=host)) for host in ("a", "b", "c"))
NO, YES = ProbeResult(False, "HTTP 404"), ProbeResult(True, "HTTP 200")


class Bench:
    def __init__(self):
        self.begun, self.told = [], []
        self.diagnoser = Diagnoser(lambda probe, done: self.begun.append((probe, done)), self.told.append)

    def take(self, id_=1):
        self.diagnoser.take(
            Diagnose(Probe(id_, CHECK, "192.0.2.1", 80, through="192.0.2.2", mark=7), FAILED, QUESTIONS)
        )

    def answer(self, result):
        _, done = self.begun.pop(0)
        done(result)


def test_it_asks_until_one_passes_by_the_same_way():
    bench = Bench()
    bench.take()
    bench.answer(NO)
    [(probe, _)] = bench.begun
    assert (probe.check.host, probe.address, probe.through, probe.mark) == ("b", "192.0.2.1", "192.0.2.2", 7)
    bench.answer(YES)
    assert bench.begun == []
    [told] = bench.told
    assert [(each.question.check.host, each.passed) for each in told.answers] == [("a", False), ("b", True)]


def test_a_fault_of_ours_is_an_answer_too():
    bench = Bench()
    bench.take()
    for _ in range(3):
        bench.answer(RuntimeError("a fault"))
    assert [each.passed for each in bench.told[0].answers] == [False, False, False]


def test_a_whole_pool_that_fails_does_not_flood_anybody():
    bench = Bench()
    for id_ in range(2 * WAITING):
        bench.take(id_)
    assert len(bench.begun) == AT_A_TIME
    while bench.begun:
        bench.answer(YES)
    assert len(bench.told) == WAITING + AT_A_TIME
