import random

import pytest
from gmai_bench.benchmarks.question import Question

REPORT = """no acute focal infiltrate the lungs are clear heart size is normal mild cardiomegaly with small left
pleural effusion and bibasilar atelectasis unchanged . , 2.5 cm T1-weighted x-ray"""


@pytest.fixture(scope="session")
def report_answers() -> list[tuple[str, Question]]:
    """Two hundred answers of words in any order with their references, some equal, some empty, some with two."""
    draw, words = random.Random(3), REPORT.split()
    found: list[tuple[str, Question]] = []
    for n in range(200):
        reference = " ".join(draw.choices(words, k=draw.randint(1, 25)))
        kept = [word for word in reference.split() if draw.random() < 0.7]
        answer = reference if n % 20 == 0 else " ".join(kept + draw.choices(words, k=draw.randint(0, 8)))
        other = (" ".join(draw.choices(words, k=6)),) if n % 5 == 0 else ()
        found.append((answer.capitalize(), Question(str(n), "?", "?", (), (), reference, str(n), alternatives=other)))
    return found
