"""What a caller of gRPC is refused with."""

import pytest

from chengxin.errors import Problem


def refused(call, *arguments, **options) -> Problem:
    with pytest.raises(Problem) as caught:
        call(*arguments, **options)
    return caught.value
