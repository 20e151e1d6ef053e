"""What a fit of encoded rows comes to, whoever made it."""

from dataclasses import dataclass

from separatrix.arrays import FloatArray
from separatrix.engine.certificates.certificate import Certificate
from separatrix.engine.iterate import Trace
from separatrix.model import Choice, FitRecord


@dataclass(frozen=True)
class Found:
    """coefficients (K, p) and intercepts (K,) in the units of the features, the way there, and how good that is.

    `C` is None without a penalty, `choice` is there where C was chosen.
    """

    coefficients: FloatArray
    intercepts: FloatArray
    trace: Trace
    certificate: Certificate
    C: float | None = None
    l1_ratio: float = 0.0
    choice: Choice | None = None

    def record(self, rows: int) -> FitRecord:
        """The same for the model file; `rows` were fitted."""
        return FitRecord(
            rows=rows,
            C=self.C,
            l1_ratio=self.l1_ratio if self.C else 0.0,
            solver=self.trace.solver,
            why=self.trace.why,
            passes=self.trace.passes,
            seconds=self.trace.seconds,
            loss=self.trace.steps[-1].loss,
            gap=self.certificate.gap,
            certificate=self.certificate.method,
            losses=self.trace.column("loss").tolist(),
            choice=self.choice,
        )
