"""Scores out of fold, patients whole in the folds and in the choice of the penalty."""

import numpy as np
import pandas as pd
import sklearn
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sklearn.set_config(enable_metadata_routing=True)


def out_of_fold(states, labels):
    choice = LogisticRegressionCV(
        Cs=10.0 ** np.arange(-4, 3), cv=GroupKFold(5), scoring="roc_auc", max_iter=1000
    )
    probe = make_pipeline(StandardScaler(), choice)
    return cross_val_predict(
        probe,
        states,
        labels["sick"],
        cv=GroupKFold(5),
        method="predict_proba",
        params={"groups": labels["patient_id"]},
    )[:, 1]


if __name__ == "__main__":
    labels = pd.read_csv("labels.csv")
    scores = out_of_fold(np.load("states.npy")[:, -1], labels)
    print(roc_auc_score(labels["sick"], scores))
