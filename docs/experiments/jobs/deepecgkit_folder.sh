export DEEPECGKIT_PLUGINS=$JOBS/deepecgkit_folder.py
mkdir -p predictions
deepecg train -m resnet -d mine --data-dir . --epochs 5 -o runs/mine
for file in export/*.hea; do
    deepecg predict --checkpoint runs/mine --input "$file" -o "predictions/$(basename "$file" .hea).json" || true
done
python $JOBS/deepecgkit_folder.py
