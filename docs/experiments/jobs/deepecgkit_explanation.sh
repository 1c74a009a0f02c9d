deepecg explain --checkpoint runs/mine --input export/00001_hr.hea --method integrated-gradients -o explanation
