"""Files that ship with the package."""

from mixlab.errors import MixlabError
from mixlab.utils.resources import resource_path
from tests.errors import raises


def test_a_file_that_is_not_shipped_is_named() -> None:
    assert resource_path("taxonomy", "instruments.yaml").is_file()
    with raises(MixlabError, code="installation-damaged", mentions="taxonomy/none.yaml"):
        resource_path("taxonomy", "none.yaml")
