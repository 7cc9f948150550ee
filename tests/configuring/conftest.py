"""The command line's database and commands, for tests of what it is configured with."""

from tests.cli.conftest import database as database
from tests.cli.conftest import empty_database as empty_database
from tests.cli.conftest import flow as flow
from tests.cli.conftest import spawn as spawn
from tests.cli.conftest import stretto as stretto
