"""What `superbatch curate` wrote, read by the webdataset library: read_shards.py 'FOLDER/{00000..00001}.tar' PAIRS"""
import sys

import webdataset as wds

shards, expected = sys.argv[1], int(sys.argv[2])
pairs = list(wds.WebDataset(shards, shardshuffle=False).decode("pil").to_tuple("png;jpg;webp", "txt", "json"))
assert len(pairs) == expected, f"{len(pairs)} pairs, expected {expected}"
for picture, caption, notes in pairs:
    assert picture.size[0] > 0 and caption and notes["caption"] == caption
print(f"{len(pairs)} pairs")
