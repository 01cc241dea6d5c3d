"""No key gives points for what is returned without looking: constants, echoes, luck."""

import pytest
import unprivileged

from streamrec.grading.key import load_key
from streamrec.grading.luck import lucky

KEYS = sorted((unprivileged.ROOT / "solutions" / "keys").glob("*/key.yaml"))


@pytest.mark.parametrize("path", KEYS, ids=lambda p: p.parent.name)
def test_luck_earns_at_most_one_point(path):
    key = load_key(path.parent)
    assert key.kind != "exercise" or not lucky(key)


def test_a_key_that_zeros_pass_is_named(tmp_path):
    from test_runner import tiny_key

    weak = "expect_close(answer.two() * 2, 2 * np.asarray(answer.two()))"
    key = tiny_key(tmp_path / "key", f"import numpy as np\n    {weak}")
    assert any("test_two" in line for line in lucky(load_key(key)))
    strict = tiny_key(tmp_path / "strict", "expect_equal(answer.two(), 2)")
    assert not [line for line in lucky(load_key(strict)) if "always" not in line]
