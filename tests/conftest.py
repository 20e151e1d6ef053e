"""What every test runs under."""

from hypothesis import settings
from threadpoolctl import threadpool_limits

# On cores that other tests use too, the threads of a small matrix product wait for each other, fifty times too long;
# and how long an example takes then says nothing.
threadpool_limits(1)
settings.register_profile("shared cores", deadline=None)
settings.load_profile("shared cores")
