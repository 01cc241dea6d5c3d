"""Group fairness, exposure, repair and the audit report."""
