"""What still grows in the last quarter of a soak. Called by itself, it tries that on samples of which the answer is known."""

import statistics

# What each may be more in the last quarter than in the third, and what it is called: by then caches and arenas are full.
MAY_GROW = {"memory": 4, "descriptors": 4, "the log of the database": 4}


def quarters(numbers):
    """The median of the third quarter, and of the last."""
    quarter = len(numbers) // 4
    return tuple(statistics.median(numbers[begins : begins + quarter]) for begins in (2 * quarter, 3 * quarter))


def grown(numbers_by_name):
    """What grows, with both medians."""
    found = []
    for name, numbers in numbers_by_name.items():
        then, last = quarters(numbers)
        if last - then > MAY_GROW[name]:
            found.append(f"{name} grows: {then:.1f} in the third quarter, {last:.1f} in the last")
    return found


def tried():
    """Each alone is found where it leaks slowly, and none where it was full by half time or stands out for a moment."""
    still = [20] * 400
    full = [min(number, 200) for number in range(400)]
    moment = [*still[:390], *[500] * 10]
    leak = [number / 20 for number in range(400)]
    for name in MAY_GROW:
        others = {other: still for other in MAY_GROW}
        assert len(grown({**others, name: leak})) == 1, name
        assert grown({**others, name: leak})[0].startswith(name), name
        for calm in (still, full, moment):
            assert not grown({**others, name: calm}), name


if __name__ == "__main__":
    tried()
