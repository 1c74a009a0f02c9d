"""Which layer of an ECG foundation model should you read, and what is a mixture of layers worth?"""
