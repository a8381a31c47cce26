"""Component boxes: ours beside the loop one writes by hand (`scipy.ndimage.label` per label); same boxes, times, ratio.

python benchmarks/data_boxes.py [--slices 120] [--loop-slices 20]
"""

import argparse
import time

import numpy as np
from data_volume import phantom
from gmai_data.imaging.boxes import regions
from scipy import ndimage


def hand_written(mask):
    """Return the boxes as the usual loop finds them."""
    found = []
    for label in np.unique(mask):
        if label == 0:
            continue
        components, count = ndimage.label(mask == label, structure=np.ones((3, 3)))
        for component in range(1, count + 1):
            rows, columns = np.where(components == component)
            box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
            found.append((int(label), box, len(rows)))
    return sorted(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=120)
    parser.add_argument("--loop-slices", type=int, default=20)
    options = parser.parse_args()
    _, labels = phantom(options.slices)
    regions(labels[0])
    start = time.process_time()
    ours = [regions(mask) for mask in labels]
    ours_s = (time.process_time() - start) / len(labels)
    step = max(len(labels) // options.loop_slices, 1)
    start = time.process_time()
    theirs = [hand_written(mask) for mask in labels[::step]]
    theirs_s = (time.process_time() - start) / len(theirs)
    same = all(sorted(found) == other for found, other in zip(ours[::step], theirs, strict=True))
    count, names = sum(map(len, ours)), len(np.unique(labels)) - 1
    print(f"{count} boxes on {len(labels)} slices of {labels.shape[1:]}, {names} labels")
    print(f"ours          {1e3 * ours_s:8.2f} ms CPU a slice")
    print(f"scipy a label {1e3 * theirs_s:8.2f} ms CPU a slice (measured on {len(theirs)} slices)")
    print(f"same boxes: {same}; ratio {theirs_s / ours_s:.1f} (asked: 20)")


if __name__ == "__main__":
    main()
